import { FeedEvent, Tariff } from "@tac/protocol";
import type { Hex } from "viem";
import { createValidationPool } from "../src/feed/ValidationPool.ts";
import type { Job } from "../src/rules/Job.ts";
import { planBatch } from "../src/rules/plan.ts";
import { TokenCache } from "../src/rules/TokenCache.ts";
import { jobIdOf, tariffNeeded, validateEvent } from "../src/rules/validateEvent.ts";
import { orderlyFacts, toCandidates } from "../test/support/judge.ts";
import { TestGateway } from "../test/support/TestGateway.ts";
import { call, domains, openJob, tariffSigner, tariffs } from "../test/support/World.ts";

/**
 * How many receipts one replica parses, validates and puts into a batch in a second of processor time, without its
 * store: `node --import tsx bench/validation.ts [receipts] [jobs]`. Processor time, garbage collection included, says the
 * same on an idle machine and on one that others use too.
 */
const receiptCount = Number(process.argv[2] ?? "4000");
const jobCount = Number(process.argv[3] ?? "40");

const gateway = new TestGateway();
const jobs = Array.from({ length: jobCount }, () => openJob(gateway.account, { maxSpendNano: 1n << 50n }));
gateway.record(...jobs.map((job): FeedEvent.FeedBody => ({ kind: "job-opened", body: job.opened })));
for (let index = 0; index < receiptCount; index += 1) {
  const job = jobs[index % jobCount];
  if (job !== undefined)
    gateway.record({ kind: "usage", body: call(job, index % 2 === 0 ? {} : { report: {} }) });
}
const text = JSON.stringify(FeedEvent.pageToJson(gateway.page(0n, receiptCount + jobCount)));

const marks: [string, number][] = [];
const measure = <T>(name: string, work: () => T): T => {
  const before = process.cpuUsage();
  const result = work();
  const { user, system } = process.cpuUsage(before);
  marks.push([name, (user + system) / 1_000]);
  return result;
};

const page = measure("parse", () => ({
  events: (JSON.parse(text).events as unknown[]).map((event) => FeedEvent.schema.parse(event)),
}));
measure("hash chain", () =>
  FeedEvent.verifyChain(page.events, {
    gateway: gateway.account.address,
    seq: 0n,
    hash: FeedEvent.FIRST_PREVIOUS_HASH,
  }),
);
const tariffsByHash = new Map(tariffs.map((tariff) => [Tariff.hash(tariff), tariff]));
const shared = { domains, tariffSigners: new Set([tariffSigner.address]), origins: null };
const known = new Map<Hex, Job>();
const judged = measure("validate", () => {
  const tokens = new TokenCache();
  return page.events.map((event) => {
    const job = known.get(jobIdOf(event)) ?? null;
    const tariff = tariffsByHash.get(tariffNeeded(event, job) ?? "0x") ?? null;
    const verdict = validateEvent(event, { ...shared, job, tariff, tokens });
    if (verdict.opened !== undefined) known.set(verdict.opened.jobId, verdict.opened);
    return { event, verdict };
  });
});
const plan = measure("build", () =>
  planBatch({
    domain: domains.usageReceipts,
    laneId: 0,
    lane: {
      nextBatchNumber: 1n,
      lastWindowEnd: 1n,
      keyEpoch: 1,
      lastBatchHash: `0x${"00".repeat(32)}`,
    },
    chainBlock: 1n,
    windowEndMs: BigInt(Date.now() + 60_000),
    feeds: [
      {
        gateway: gateway.account.address,
        fromSeq: 0n,
        fromHash: FeedEvent.FIRST_PREVIOUS_HASH,
        events: toCandidates(judged),
      },
    ],
    facts: orderlyFacts(gateway, jobs),
  }),
);
if (plan?.batch.header.receiptCount !== Math.min(receiptCount, 10_000))
  throw new Error("Not every receipt was accepted.");

const totalMs = marks.reduce((sum, [, ms]) => sum + ms, 0);
for (const [name, ms] of marks)
  console.log(
    `${name.padEnd(12)}${ms.toFixed(0).padStart(8)} ms${((1_000 * ms) / receiptCount).toFixed(0).padStart(8)} us a receipt`,
  );
console.log(
  `${"all".padEnd(12)}${totalMs.toFixed(0).padStart(8)} ms   ${Math.round((1_000 * receiptCount) / totalMs)} receipts in a second of one core`,
);

// The same on all processors, by the clock: what a replica's pullers do with pages of 500 events.
const calls = page.events.filter(({ kind }) => kind !== "job-opened");
for (const threads of [0, 1, 3]) {
  const pool = createValidationPool(threads);
  const task = { ...shared, jobs: known, tariffs: tariffsByHash };
  // Threads start, and their code is compiled, before the clock does.
  await pool.validate({ ...task, events: calls.slice(0, 2_000) });
  const startedAt = performance.now();
  const cpuBefore = process.cpuUsage();
  for (let first = 0; first < calls.length; first += 500) {
    const verdicts = await pool.validate({ ...task, events: calls.slice(first, first + 500) });
    if (!verdicts.every(({ ok }) => ok)) throw new Error("Not every receipt was accepted.");
  }
  const seconds = (performance.now() - startedAt) / 1_000;
  const { user, system } = process.cpuUsage(cpuBefore);
  console.log(
    `${threads} threads beside the main one: ${Math.round(calls.length / seconds)} receipts validated a second, ` +
      `${Math.round((user + system) / calls.length)} us of processor time each`,
  );
  await pool.close();
}
