import { createLogger, createPool, type Pool } from "@tac/kit";
import { startTestDatabase, type TestDatabase } from "@tac/kit/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { JobWatcher } from "../src/chain/JobWatcher.ts";
import { prepareStore } from "../src/ledger/prepareStore.ts";

let database: TestDatabase;
let pool: Pool;
beforeAll(async () => {
  database = await startTestDatabase();
  await prepareStore({ databaseUrl: database.url, migrationUrl: undefined });
  pool = createPool({ url: database.url, max: 2 });
});
afterAll(async () => {
  await pool.end();
  await database.stop();
});

test("the last blocks are read again each time, also by a watcher that was started anew", async () => {
  let headBlock = 100n;
  const asked: bigint[] = [];
  const start = () =>
    new JobWatcher({
      chain: {
        jobChangesFrom: async (block) => {
          asked.push(block);
          return { revocations: [], releasedJobIds: [], toBlock: headBlock, headBlock };
        },
      },
      jobs: { markReleased: async () => undefined },
      revocations: { recordChain: async () => [] },
      onRevoked: async () => undefined,
      breakOff: () => undefined,
      nowMs: Date.now,
      pool,
      logger: createLogger({ service: "gateway", level: "silent" }),
      settings: { startBlock: 95n, pollMs: 1_000 },
    });
  const first = start();
  await first.poll();
  headBlock = 120n;
  await first.poll();
  await first.poll();
  await start().poll();
  expect(asked).toEqual([95n, 95n, 111n, 111n]);
});
