import { startTestDatabase } from "@tac/kit/testing";
import { expect, test } from "vitest";
import { prepareStore } from "../src/ledger/prepareStore.ts";

test("replicas that start together all get their store", async () => {
  const database = await startTestDatabase();
  const databaseUrl = Object.assign(new URL(database.url), {
    username: "gateway_together",
    password: "runtime",
  }).href;
  const urls = { databaseUrl, migrationUrl: database.url };
  for (let round = 0; round < 5; round += 1) {
    const started = await Promise.allSettled(Array.from({ length: 24 }, () => prepareStore(urls)));
    expect(started.filter(({ status }) => status === "rejected")).toEqual([]);
  }
  await database.stop();
});
