import { Tariff } from "@tac/protocol";
import { expect, onTestFinished, test } from "vitest";
import { TariffStore } from "../src/jobs/TariffStore.ts";
import { hex32 } from "./support/hex32.ts";
import { startLedgerStore } from "./support/ledgerStore.ts";
import { serveTariffs } from "./support/serveTariffs.ts";
import { embeddingTariff } from "./support/tariffs.ts";

test("a tariff that the chain does not confirm keeps no other from being offered", async () => {
  const { pool, stop } = await startLedgerStore();
  const { url, server } = await serveTariffs();
  onTestFinished(async () => {
    server.close();
    await stop();
  });
  const chain = {
    tariffHashOf: async (providerId: number) =>
      providerId === embeddingTariff.providerId ? Tariff.hash(embeddingTariff) : hex32(),
  };
  const store = new TariffStore(pool, chain, url);
  await expect(store.refresh()).rejects.toThrow("did not publish this tariff");
  expect(["chat-1", "embed-1"].map((model) => store.hasModel(model))).toEqual([false, true]);
});
