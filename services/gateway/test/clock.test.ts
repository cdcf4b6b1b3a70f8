import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";
import { FeedWriter } from "../src/feed/FeedWriter.ts";
import { StoreClock } from "../src/StoreClock.ts";
import { feedOf } from "./support/feedOf.ts";
import { type Harness, startHarness } from "./support/harness.ts";
import { gatewayAddress } from "./support/identities.ts";

const HOUR_MS = 3_600_000;
const realNow = Date.now.bind(Date);

let harness: Harness;
beforeAll(async () => {
  harness = await startHarness();
});
afterEach(() => {
  vi.restoreAllMocks();
  return harness.reset();
});
afterAll(() => harness.stop());

test.each([HOUR_MS, -HOUR_MS])("a machine whose clock is off by %i ms goes by the store's", async (offMs) => {
  const clock = new StoreClock(harness.pool);
  vi.spyOn(Date, "now").mockImplementation(() => realNow() + offMs);
  await clock.sample();
  expect(Math.abs(clock.nowMs() - realNow())).toBeLessThan(1_000);
});

test("a clock that is set while the process runs moves nothing", async () => {
  const clock = new StoreClock(harness.pool);
  await clock.sample();
  vi.spyOn(Date, "now").mockImplementation(() => realNow() + HOUR_MS);
  expect(Math.abs(clock.nowMs() - realNow())).toBeLessThan(1_000);
});

test("a replica whose clock runs ahead does not date the feed that all replicas share into the future", async () => {
  const job = await harness.openJob();
  const clock = new StoreClock(harness.pool);
  vi.spyOn(Date, "now").mockImplementation(() => realNow() + HOUR_MS);
  await clock.sample();
  const writer = new FeedWriter(harness.pool, gatewayAddress, clock.nowMs);
  const body = { jobId: job.jobId, proof: "a.b.c", usageAuth: "token" };
  await writer.change({ kind: "job-closed", body }, async () => true);
  const event = (await feedOf(harness.pool, job.jobId)).find(({ kind }) => kind === "job-closed");
  expect(Math.abs(Number(event?.recordedAtMs) - realNow())).toBeLessThan(1_000);
});
