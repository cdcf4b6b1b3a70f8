import { join } from "node:path";
import { createPool, ensureDatabase, migrate } from "@tac/kit";
import { startTestPostgres } from "@tac/kit/testing";
import { FeedEvent, Line, ThresholdBls, UsageReceipt } from "@tac/protocol";
import type { Examined } from "../src/feed/examine.ts";
import { Builder } from "../src/replica/Builder.ts";
import { jobIdOf } from "../src/rules/validateEvent.ts";
import { BatchStore } from "../src/store/BatchStore.ts";
import { contentOf } from "../src/store/content.ts";
import { FeedStore } from "../src/store/FeedStore.ts";
import { VoteStore } from "../src/store/VoteStore.ts";
import { dealt } from "../test/simulation/crypto.ts";
import { TestChain } from "../test/support/TestChain.ts";
import { TestGateway } from "../test/support/TestGateway.ts";
import { call, deployment, domains, hex32, openJob } from "../test/support/World.ts";
import { type BatchResult, type Spent, startMeter } from "./meter.ts";

/**
 * What a window of receipts costs one replica once they are validated: reading them from its PostgreSQL, building the batch,
 * keeping it, three partial signatures and their combination, and applying the committed batch. Writes one JSON line.
 * `node --import tsx bench/batch.ts <receipts>`.
 */
const receipts = Number(process.argv[2] ?? "10000");
/** Windows that only warm up, as a replica is that has run for a while. */
const WARM_UP_WINDOWS = 10;
const WARM_UP = 1_000;
/** A small window is over so soon that the mean of several counts. */
const WINDOWS = Math.ceil(10_000 / receipts);
const JOBS = 100;
const PAGE = 5_000;

const postgres = await startTestPostgres({ durable: true });
const url = postgres.urlOf("replica");
await ensureDatabase(url);
const pool = createPool({ url });
await migrate(pool, join(import.meta.dirname, "..", "migrations"));
const [feeds, batches, votes] = [new FeedStore(pool), new BatchStore(pool), new VoteStore(pool)];
const gateway = new TestGateway();
const chain = new TestChain(dealt.groupPublicKey);
const jobs = Array.from({ length: JOBS }, () => openJob(gateway.account, { maxSpendNano: 1n << 60n }));
chain.enrol(gateway.account.address);
for (const job of jobs) chain.lock(job);
const templates = jobs.map((job) => call(job));
const port = chain.port();
const builder = new Builder({
  set: { laneId: 0, threshold: 3, replicas: [] },
  domains,
  chain: port,
  batches,
  feeds,
  gateways: [gateway.port()],
});

await feeds.ensureFeed(gateway.account.address);
let seq = 0n;
let hash = FeedEvent.FIRST_PREVIOUS_HASH;
const append = async (bodies: readonly { body: FeedEvent.FeedBody; opens?: number }[]): Promise<void> => {
  const cursor = { gateway: gateway.account.address, seq, hash };
  const texts: string[] = [];
  const examined = bodies.map(({ body, opens }): Examined => {
    const at = { gateway: gateway.account.address, recordedAtMs: BigInt(Date.now()) };
    const { event, text } = FeedEvent.createText({ ...body, ...at, seq: seq + 1n, previousHash: hash });
    texts.push(text);
    seq = event.seq;
    hash = event.hash;
    const receipt = event.kind === "usage" ? event.body.receipt : null;
    const leaf = receipt === null ? null : UsageReceipt.leaf(receipt);
    const verdict = { ok: true as const, leaf, reportSigner: null };
    const found = { ...event, isHashed: true, jobId: jobIdOf(event), receipt, verdict };
    const job = opens === undefined ? undefined : jobs[opens];
    if (job === undefined) return found;
    const { capability, capabilityHash } = job;
    const { capabilitySignature, signedQuote } = job.opened;
    const opened = {
      gateway: gateway.account.address,
      jobId: capability.jobId,
      openedSeq: event.seq,
      capability,
      capabilityHash,
      capabilitySignature,
      isEoaSigned: true,
      signedQuote,
    };
    return { ...found, verdict: { ...verdict, opened } };
  });
  await feeds.append(cursor, { examined, texts }, seq);
};

const record = async (receipts: number): Promise<void> => {
  for (let made = 0; made < receipts; made += PAGE)
    await append(
      Array.from({ length: Math.min(PAGE, receipts - made) }, (_, index) => {
        const template = templates[index % JOBS];
        if (template === undefined) throw new Error("no template");
        const receipt = { ...template.receipt, receiptId: hex32(), proofHash: hex32() };
        return { body: { kind: "usage", body: { ...template, receipt } } };
      }),
    );
};

const head = async (): Promise<bigint> => {
  const number = chain.head();
  const next = await batches.nextBlock(deployment.usageReceipts, 1n);
  const blockHash = await port.hashOf(number);
  if (blockHash === null) throw new Error("the head has no hash");
  await batches.follow(0, await port.events(next, number), { number, hash: blockHash });
  return number;
};

const spent = new Map<string, number>();
const timed = async <T>(name: string, work: () => T | Promise<T>): Promise<T> => {
  const startedAt = performance.now();
  const result = await work();
  spent.set(name, (spent.get(name) ?? 0) + performance.now() - startedAt);
  return result;
};

/** Settles one batch as a leader does; false when nothing is left. */
const settle = async (): Promise<number> => {
  const block = await timed("follow", head);
  const lane = await port.laneOf(0, block);
  const windowEnd = await port.timeOf(block);
  const plan = await timed("read and build", () => builder.plan(lane, block, windowEnd));
  if (plan === null) return 0;
  const { batch, batchHash } = plan;
  const draft = { header: batch.header, sources: batch.sources };
  const content = contentOf(plan);
  const decision = { batchHash, view: 0n, proposer: 1, outcome: "built" as const };
  await timed("keep", () => votes.saveDraft(draft, content, decision));
  const signature = await timed("sign", () => {
    const partials = [1, 2, 3].map((index) => ({
      index,
      signature: ThresholdBls.partialSign(batchHash, dealt.shares[index - 1] ?? "0x"),
    }));
    const combined = ThresholdBls.combine(partials);
    if (!ThresholdBls.verify(batchHash, combined, dealt.groupPublicKey)) throw new Error("not signed");
    return combined;
  });
  await port.submit({ header: batch.header, lines: batch.lines, signature, publicKey: dealt.groupPublicKey });
  await timed("follow", head);
  await timed("apply", async () => {
    const committed = await batches.nextUnapplied();
    const kept = await votes.draft(batch.header.batchNumber, batchHash);
    if (committed === null || kept === null) throw new Error("the batch is not committed");
    const application = { sources: batch.sources, content: kept.content, signature, partials: [] };
    await batches.apply(committed, application, 0n);
    await votes.prune(batch.header.batchNumber);
  });
  if (Line.hash(batch.lines) !== batch.header.linesHash) throw new Error("other lines");
  return batch.header.receiptCount;
};

await append(jobs.map((job, opens) => ({ body: { kind: "job-opened", body: job.opened }, opens })));
const settleAll = async (recorded: number): Promise<number> => {
  // The events belong to the window before a block that is later than they are.
  await new Promise((resolve) => setTimeout(resolve, 150));
  let [settled, batchCount] = [0, 0];
  for (let count = await settle(); count > 0; count = await settle()) {
    settled += count;
    batchCount += 1;
  }
  if (settled !== recorded) throw new Error(`${settled} of ${recorded} receipts were settled`);
  return batchCount;
};
for (let window = 0; window < WARM_UP_WINDOWS; window += 1) {
  await record(WARM_UP);
  await settleAll(WARM_UP);
}
spent.clear();
let batchCount = 0;
const inAll: Spent[] = [];
for (let window = 0; window < WINDOWS; window += 1) {
  await record(receipts);
  const meter = await startMeter(pool);
  batchCount += await settleAll(receipts);
  inAll.push(meter());
}
const mean = (value: (one: Spent) => number): number =>
  inAll.reduce((sum, one) => sum + value(one), 0) / WINDOWS;
const stepMs = [...spent.values()].reduce((sum, ms) => sum + ms, 0) / WINDOWS;
const result: BatchResult = {
  receipts,
  windows: WINDOWS,
  batches: batchCount / WINDOWS,
  postgresVersion: inAll[0]?.postgresVersion ?? "",
  // The clock of the replica's own steps: what the simulated chain does on a submission is left out.
  seconds: stepMs / 1_000,
  nodeSeconds: mean(({ nodeSeconds }) => nodeSeconds),
  postgresSeconds: mean(({ postgresSeconds }) => postgresSeconds),
  startMegabytes: inAll[0]?.startMegabytes ?? 0,
  peakMegabytes: inAll.at(-1)?.peakMegabytes ?? 0,
  microsEach: Object.fromEntries([...spent].map(([name, ms]) => [name, (1_000 * ms) / (receipts * WINDOWS)])),
};
console.log(JSON.stringify(result));
await pool.end();
await postgres.stop();
