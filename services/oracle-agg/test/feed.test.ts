import { join } from "node:path";
import { createLogger, createPool, migrate, type Pool } from "@tac/kit";
import { startTestDatabase, type TestDatabase } from "@tac/kit/testing";
import { FeedEvent, Tariff } from "@tac/protocol";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { FeedPuller } from "../src/feed/FeedPuller.ts";
import type { TariffSource } from "../src/feed/TariffSource.ts";
import { FeedStore } from "../src/store/FeedStore.ts";
import { TestGateway } from "./support/TestGateway.ts";
import { account, call, domains, openJob, tariffSigner, tariffs } from "./support/World.ts";

let database: TestDatabase;
let pool: Pool;
let store: FeedStore;
let gateway: TestGateway;

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
  const job = openJob(gateway.account);
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
