import { join } from "node:path";
import { createLogger, createPool, migrate, type Pool } from "@tac/kit";
import { startTestDatabase, type TestDatabase } from "@tac/kit/testing";
import { Batch, BatchHeader, FeedEvent, Tariff } from "@tac/protocol";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { FeedPuller } from "../src/feed/FeedPuller.ts";
import type { TariffSource } from "../src/feed/TariffSource.ts";
import { createValidationPool } from "../src/feed/ValidationPool.ts";
import { BatchStore } from "../src/store/BatchStore.ts";
import { FeedStore } from "../src/store/FeedStore.ts";
import { TestGateway } from "./support/TestGateway.ts";
import { account, call, domains, openJob, type TestJob, tariffSigner, tariffs } from "./support/World.ts";

let database: TestDatabase;
let pool: Pool;
let store: FeedStore;
let gateway: TestGateway;
let job: TestJob;

beforeAll(async () => {
  database = await startTestDatabase();
  pool = createPool({ url: database.url });
  await migrate(pool, join(import.meta.dirname, "..", "migrations"));
  store = new FeedStore(pool);
});

afterAll(async () => {
  await pool?.end();
  await database?.stop();
});

beforeEach(() => {
  gateway = new TestGateway();
  job = openJob(gateway.account);
  gateway.record(
    { kind: "job-opened", body: job.opened },
    { kind: "usage", body: call(job) },
    { kind: "usage", body: call(job, { receipt: { costNano: 1n } }) },
  );
});

const known: TariffSource = async (tariffHash) => {
  const found = tariffs.find((tariff) => Tariff.hash(tariff) === tariffHash);
  if (found === undefined) throw new Error(`no tariff ${tariffHash}`);
  return found;
};

const pullerOf = (source: TariffSource = known) =>
  new FeedPuller({
    gateway: gateway.port(),
    store,
    tariffs: source,
    domains,
    tariffSigners: new Set([tariffSigner.address]),
    pool: createValidationPool(0),
    logger: createLogger({ service: "test", level: "silent" }),
  });

const stateOf = async () => {
  const state = (await store.feeds()).find(({ pulled }) => pulled.gateway === gateway.account.address);
  if (state === undefined) throw new Error("the feed is not known");
  return state;
};

const candidates = () => store.candidates(gateway.account.address, 0n, 100n, 100);

test("events are validated once, stored with their verdict, and pulled on from the cursor", async () => {
  const puller = pullerOf();
  expect(await puller.pull()).toBe(false);
  expect((await candidates()).map(({ refusal }) => refusal?.code ?? "ok")).toEqual([
    "ok",
    "ok",
    "price_mismatch",
  ]);
  gateway.record({ kind: "usage", body: call(openJob(gateway.account)) });
  await pullerOf().pull();
  expect((await stateOf()).pulled.seq).toBe(4n);
  expect((await candidates()).at(-1)?.refusal?.code).toBe("unknown_job");
});

test("events pulled after their batch was committed take their outcome from it", async () => {
  const batches = new BatchStore(pool);
  const settled = gateway.events.find(({ kind }) => kind === "usage");
  if (settled?.kind !== "usage") throw new Error("no usage event");
  gateway.record({ kind: "usage", body: call(job) }, { kind: "usage", body: call(job) });
  const last = gateway.events[3];
  if (last === undefined) throw new Error("no last event");
  const { receipt, receiptSignature } = settled.body;
  const range = { gateway: gateway.account.address, fromSeq: 0n, toSeq: last.seq, toHash: last.hash };
  const built = Batch.build({
    laneId: 0,
    keyEpoch: 1,
    batchNumber: 1n,
    windowStart: 1n,
    windowEnd: 2n,
    previousBatchHash: FeedEvent.FIRST_PREVIOUS_HASH,
    sources: { chainBlock: 1n, ranges: [range] },
    receipts: [receipt],
    finalJobs: new Map(),
  });
  const committed = {
    header: built.header,
    batchHash: BatchHeader.hash(built.header, domains.usageReceipts),
    transactionHash: hex,
    blockNumber: 5n,
  };
  await batches.nextBlock(domains.usageReceipts.verifyingContract, 1n);
  await batches.follow(0, [{ ...committed, kind: "batch-committed", logIndex: 0 }], {
    number: 5n,
    hash: hex,
  });
  const content = { lines: built.lines, receipts: [{ receipt, receiptSignature }], refused: [] };
  const application = { sources: built.sources, content, signature: null, partials: [] };
  await batches.apply(committed, application, 0n);
  await batches.apply(committed, application, 0n);
  await pullerOf().pull();
  expect((await store.eventsOfBatch(1n)).map(({ code }) => code)).toEqual([
    null,
    null,
    "price_mismatch",
    "left_out",
  ]);
  expect((await candidates()).map(({ refusal }) => refusal?.code ?? null)).toEqual([
    null,
    null,
    "price_mismatch",
    "left_out",
    null,
  ]);
  expect(await batches.batchOfReceipt(receipt.receiptId)).toBe(1n);
  expect((await batches.settledNano([receipt.jobId])).get(receipt.jobId)).toBe(receipt.costNano);
  const pending = await store.pendingCount();
  await batches.takeBack(1n);
  expect((await batches.settledNano([receipt.jobId])).get(receipt.jobId)).toBe(0n);
  expect((await candidates()).map(({ refusal }) => refusal?.code ?? null)).toEqual([
    null,
    null,
    "price_mismatch",
    null,
    null,
  ]);
  expect(await store.pendingCount()).toBe(pending + 2);
});

test("two pulls at the same time store every event once", async () => {
  await Promise.all([pullerOf().pull(), pullerOf().pull(), pullerOf().pull()]);
  expect(await candidates()).toHaveLength(3);
});

test("a tariff that cannot be had delays the event instead of refusing it", async () => {
  const failing = pullerOf(async () => {
    throw new Error("connect ECONNREFUSED");
  });
  await expect(failing.pull()).rejects.toThrow("ECONNREFUSED");
  expect((await stateOf()).pulled.seq).toBe(0n);
  await pullerOf().pull();
  expect((await stateOf()).pulled.seq).toBe(3n);
});

const altered =
  (change: (event: FeedEvent.FeedEvent) => FeedEvent.FeedEvent) => (page: FeedEvent.FeedPage) => ({
    ...page,
    events: page.events.map((event, index) => (index === 1 ? change(event) : event)),
  });

const hex = `0x${"ab".repeat(32)}` as const;

test.each<[string, (page: FeedEvent.FeedPage) => FeedEvent.FeedPage]>([
  ["an event altered after it was chained", altered((event) => ({ ...event, recordedAtMs: 1n }))],
  [
    "an event that names another predecessor",
    altered((event) => FeedEvent.create({ ...event, previousHash: hex })),
  ],
  ["an event left out", (page) => ({ ...page, events: page.events.filter((_, index) => index !== 1) })],
  [
    "events of another gateway",
    altered((event) => FeedEvent.create({ ...event, gateway: account().address })),
  ],
  ["a head nobody signed", (page) => ({ ...page, head: { ...page.head, hash: hex } })],
  [
    "a head signed by another gateway",
    (page) => ({ ...page, head: FeedEvent.signHead(page.head, domains.usageReceipts, account().privateKey) }),
  ],
])("%s stops the feed, visibly, and nothing of the page is stored", async (_name, tamper) => {
  gateway.tamper = tamper;
  expect(await pullerOf().pull()).toBe(false);
  expect((await stateOf()).stoppedReason).toMatch(/head|hash chain/);
  gateway.tamper = (page) => page;
  await pullerOf().pull();
  expect((await stateOf()).pulled.seq).toBe(0n);
  expect(await candidates()).toHaveLength(0);
});

test("a signed head that says another hash for an event it serves stops the feed", async () => {
  gateway.tamper = (page) => ({
    ...page,
    head: FeedEvent.signHead({ ...page.head, hash: hex }, domains.usageReceipts, gateway.account.privateKey),
  });
  await pullerOf().pull();
  expect((await stateOf()).stoppedReason).toBe("the signed head has another hash than its event");
});

test("a feed that forgets events it signed before is stopped", async () => {
  await pullerOf().pull();
  gateway.events.length = 1;
  await pullerOf().pull();
  expect((await stateOf()).stoppedReason).toBe("the head went back from 3 to 1");
  expect(await store.resumeFeed(gateway.account.address)).toBe("the head went back from 3 to 1");
  expect(await store.resumeFeed(gateway.account.address)).toBeNull();
  expect((await stateOf()).stoppedReason).toBeNull();
});
