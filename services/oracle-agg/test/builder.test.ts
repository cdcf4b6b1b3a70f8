import { join } from "node:path";
import { createLogger, createPool, migrate, type Pool } from "@tac/kit";
import { startTestDatabase, type TestDatabase } from "@tac/kit/testing";
import { Tariff, UsageReceipt } from "@tac/protocol";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import type { LanePosition } from "../src/chain/ChainPort.ts";
import { FeedPuller } from "../src/feed/FeedPuller.ts";
import { createValidationPool } from "../src/feed/ValidationPool.ts";
import { Builder } from "../src/replica/Builder.ts";
import { BatchStore } from "../src/store/BatchStore.ts";
import { FeedStore } from "../src/store/FeedStore.ts";
import { TestChain } from "./support/TestChain.ts";
import { TestGateway } from "./support/TestGateway.ts";
import { call, deployment, domains, openJob, tariffSigner, tariffs } from "./support/World.ts";

let database: TestDatabase;
let pool: Pool;
let feeds: FeedStore;
let batches: BatchStore;
let gateway: TestGateway;
let chain: TestChain;

const lane: LanePosition = {
  nextBatchNumber: 1n,
  lastWindowEnd: 1n,
  keyEpoch: 1,
  lastBatchHash: `0x${"00".repeat(32)}`,
};

beforeAll(async () => {
  database = await startTestDatabase();
  pool = createPool({ url: database.url });
  await migrate(pool, join(import.meta.dirname, "..", "migrations"));
  feeds = new FeedStore(pool);
  batches = new BatchStore(pool);
});

afterAll(async () => {
  await pool?.end();
  await database?.stop();
});

beforeEach(async () => {
  await pool.query("TRUNCATE chain_cursor, followed_blocks, locks, feeds, events, jobs");
  gateway = new TestGateway();
  chain = new TestChain("0x");
  chain.enrol(gateway.account.address);
});

const pullAll = async (): Promise<void> => {
  const puller = new FeedPuller({
    gateway: gateway.port(),
    store: feeds,
    tariffs: async (tariffHash) => {
      const found = tariffs.find((tariff) => Tariff.hash(tariff) === tariffHash);
      if (found === undefined) throw new Error(`no tariff ${tariffHash}`);
      return found;
    },
    domains,
    tariffSigners: new Set([tariffSigner.address]),
    pool: createValidationPool(0),
    logger: createLogger({ service: "test", level: "silent" }),
  });
  while (await puller.pull());
};

/** Plans at the chain's head, after following it; looks at `firstEvents` events first. */
const plan = async (firstEvents?: number, at?: { block: bigint; windowEndMs: bigint }) => {
  const head = chain.head();
  const next = await batches.nextBlock(deployment.usageReceipts, 1n);
  await batches.follow(0, await chain.port().events(next, head), {
    number: head,
    hash: `0x${"00".repeat(32)}`,
  });
  const context = {
    set: { laneId: 0, threshold: 2, replicas: [] },
    domains,
    chain: chain.port(),
    batches,
    feeds,
    gateways: [gateway.port()],
  };
  const { block, windowEndMs } = at ?? { block: head, windowEndMs: BigInt(Date.now()) + 1n };
  return new Builder(context, firstEvents).plan(lane, block, windowEndMs);
};

test("events that are all refused do not bury a good one behind them", async () => {
  const job = openJob(gateway.account);
  chain.lock(job);
  gateway.record({ kind: "job-opened", body: job.opened });
  for (let index = 0; index < 9; index += 1)
    gateway.record({ kind: "usage", body: call(job, { receipt: { costNano: 1n } }) });
  const good = call(job);
  gateway.record({ kind: "usage", body: good });
  await pullAll();
  const found = await plan(2);
  expect(found?.batch.receiptIds).toEqual([good.receipt.receiptId]);
  expect(found?.batch.sources.ranges[0]?.toSeq).toBe(11n);
  expect(found?.settlement.refused).toHaveLength(9);
  expect(found?.batch.header.receiptsRoot).toBe(UsageReceipt.leaf(good.receipt));
});

test("the window ends before what was not looked at", async () => {
  const job = openJob(gateway.account);
  chain.lock(job);
  const nowMs = BigInt(Date.now());
  gateway.recordAt(nowMs - 4_000n, { kind: "job-opened", body: job.opened });
  for (const earlierMs of [3_000n, 2_000n, 1_000n])
    gateway.recordAt(nowMs - earlierMs, { kind: "usage", body: call(job) });
  await pullAll();
  expect((await plan(3))?.batch.header).toMatchObject({ receiptCount: 1, windowEnd: nowMs - 2_000n });
  expect((await plan(4))?.batch.header).toMatchObject({ receiptCount: 2, windowEnd: nowMs - 1_000n });
  expect((await plan(5))?.batch.header.receiptCount).toBe(3);
});

test("a batch with receipts stored before leaves were is the same batch", async () => {
  const job = openJob(gateway.account);
  chain.lock(job);
  const bodies = [call(job), call(job, { receipt: { costNano: 1n } }), call(job)];
  gateway.record(
    { kind: "job-opened", body: job.opened },
    ...bodies.map((body) => ({ kind: "usage" as const, body })),
  );
  await pullAll();
  const before = await plan();
  await pool.query("UPDATE events SET leaf = NULL");
  const after = await plan();
  expect(before?.batch.leaves).toHaveLength(2);
  expect(after?.batch.leaves).toEqual(before?.batch.leaves);
});

test("a block pinned far back refuses nobody: what happened after it belongs to a later window", async () => {
  const stale = { block: chain.block, windowEndMs: await chain.port().timeOf(chain.block) };
  await new Promise((resolve) => setTimeout(resolve, 5));
  const job = openJob(gateway.account);
  chain.lock(job);
  gateway.record({ kind: "job-opened", body: job.opened }, { kind: "usage", body: call(job) });
  await pullAll();
  expect(await plan(undefined, stale)).toBeNull();
  expect((await plan())?.batch.header.receiptCount).toBe(1);
});
