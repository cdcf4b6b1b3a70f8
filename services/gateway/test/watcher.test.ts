import { createLogger, createPool, type Pool } from "@tac/kit";
import { startTestDatabase, type TestDatabase } from "@tac/kit/testing";
import type { Hex } from "viem";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { ChainPort, JobChanges } from "../src/chain/ChainPort.ts";
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

type Asked = { block: bigint; knownHead: Hex | null };

const hashOf = (number: bigint): Hex => `0x${number.toString(16).padStart(64, "0")}`;

const watch = (jobChangesFrom: ChainPort["jobChangesFrom"], nowMs = Date.now): JobWatcher =>
  new JobWatcher({
    chain: { jobChangesFrom },
    jobs: { markReleased: async () => undefined },
    revocations: { recordChain: async () => [] },
    onRevoked: async () => undefined,
    breakOff: () => undefined,
    nowMs,
    pool,
    logger: createLogger({ service: "gateway", level: "silent" }),
    settings: { startBlock: 95n, pollMs: 1_000 },
  });

const empty = (headBlock: bigint): JobChanges => ({
  revocations: [],
  releasedJobIds: [],
  toBlock: headBlock,
  headBlock,
  headHash: hashOf(headBlock),
});

test("the last blocks are read again with each new one, also by a watcher that was started anew", async () => {
  let headBlock = 100n;
  const asked: Asked[] = [];
  const start = () =>
    watch(async (block, knownHead) => {
      asked.push({ block, knownHead });
      return hashOf(headBlock) === knownHead ? null : empty(headBlock);
    });
  const first = start();
  await first.poll();
  headBlock = 120n;
  await first.poll();
  await first.poll();
  headBlock = 121n;
  await first.poll();
  await start().poll();
  expect(asked).toEqual([
    { block: 95n, knownHead: null },
    { block: 95n, knownHead: hashOf(100n) },
    { block: 111n, knownHead: hashOf(120n) },
    { block: 111n, knownHead: hashOf(120n) },
    // A start reads from where the cursor was last written, and ten blocks before.
    { block: 95n, knownHead: null },
  ]);
});

test("a head that is still the same one counts as read, without another question", async () => {
  let now = 1_000;
  const watcher = watch(
    async (_block, knownHead) => (knownHead === null ? empty(100n) : null),
    () => now,
  );
  await watcher.poll();
  expect(watcher.readAtMs()).toBe(1_000);
  now = 2_000;
  await watcher.poll();
  expect(watcher.readAtMs()).toBe(2_000);
});

test("what was revoked is read again until its block is far, because calls may have begun meanwhile", async () => {
  const known: (Hex | null)[] = [];
  const revocation = { tenant: hashOf(1n), jobId: hashOf(2n), revokedAtSeconds: 1 };
  let revocations = [revocation];
  const watcher = watch(async (_block, knownHead) => {
    known.push(knownHead);
    return { ...empty(100n), revocations };
  });
  await watcher.poll();
  await watcher.poll();
  revocations = [];
  await watcher.poll();
  await watcher.poll();
  expect(known).toEqual([null, null, null, hashOf(100n)]);
});

test("a poll that fails leaves its head unread", async () => {
  const known: (Hex | null)[] = [];
  let isDown = false;
  const watcher = watch(async (_block, knownHead) => {
    known.push(knownHead);
    if (isDown) throw new Error("away");
    return empty(BigInt(100 + known.length));
  });
  await watcher.poll();
  isDown = true;
  await expect(watcher.poll()).rejects.toThrow("away");
  isDown = false;
  await watcher.poll();
  expect(known).toEqual([null, hashOf(101n), hashOf(101n)]);
});
