// Durable hold and capture pairs per second: `node --import tsx services/gateway/bench/ledger.ts [seconds]`.
// Both go through what the gateway's calls go through; a capture writes its receipt and its feed event too.
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { createPool, ensureDatabase, migrate, type Pool } from "@tac/kit";
import { startTestPostgres } from "@tac/kit/testing";
import type { UsageReceipt } from "@tac/protocol";
import type { Hex } from "viem";
import { FeedWriter } from "../src/feed/FeedWriter.ts";
import { ensureHead } from "../src/feed/feedStore.ts";
import { auditJob } from "../src/ledger/auditJob.ts";
import { bytesOf, hexOf } from "../src/ledger/bytes.ts";
import { HoldBatcher } from "../src/ledger/HoldBatcher.ts";
import { newCallId } from "../src/ledger/newCallId.ts";

type Scenario = {
  name: string;
  jobs: number;
  clients: number;
  /** How long a client rests after each pair; 0 unless given. */
  restMs?: number;
  /** Instead of a pair, two rows in two commits: what no ledger in this store can go below. */
  isFloor?: boolean;
};
type Ledger = { holds: HoldBatcher; feed: FeedWriter };

const scenarios: Scenario[] = [
  {
    name: "floor, two one-row commits, one client that rests 8 ms",
    jobs: 4,
    clients: 1,
    restMs: 8,
    isFloor: true,
  },
  { name: "4 jobs, one client that rests 8 ms", jobs: 4, clients: 1, restMs: 8 },
  { name: "floor, two one-row commits, one client", jobs: 4, clients: 1, isFloor: true },
  { name: "4 jobs, one client", jobs: 4, clients: 1 },
  { name: "one hot job, 100 clients", jobs: 1, clients: 100 },
  { name: "one hot job, 1,000 clients", jobs: 1, clients: 1_000 },
  { name: "1,000 jobs, 100 clients", jobs: 1_000, clients: 100 },
  { name: "1,000 jobs, 1,000 clients", jobs: 1_000, clients: 1_000 },
];

const HOLD_NANO = 1_000n;
const COST_NANO = 700n;
const WARM_UP_MS = 2_000;
const gateway: Hex = `0x${"0a".repeat(20)}`;
/** Sizes of a usual ES256 proof and of a usual token. */
const proof = randomBytes(480).toString("base64url");
const usageAuth = randomBytes(390).toString("base64url");
const receiptSignature: Hex = `0x${"0b".repeat(65)}`;

const hex32 = (): Hex => hexOf(randomBytes(32));
const seconds = Number(process.argv[2] ?? 8);

const server = await startTestPostgres({ durable: true });
const url = server.urlOf("bench");
await ensureDatabase(url);
const pool = createPool({ url, max: 20 });
await migrate(pool, join(import.meta.dirname, "..", "migrations"));
await ensureHead(pool, gateway);
await pool.query("CREATE TABLE floor (id bytea PRIMARY KEY)");
const { rows } = await pool.query<{ version: string }>("SELECT version()");
console.log(`${cpus()[0]?.model ?? "unknown processor"}, ${cpus().length} cores, Node ${process.version}`);
console.log(rows[0]?.version.split(" on ")[0]);
for (const scenario of scenarios) console.log(await measure(pool, scenario));
await pool.end();
await server.stop();

async function measure(
  store: Pool,
  { name, jobs, clients, restMs = 0, isFloor = false }: Scenario,
): Promise<string> {
  const jobIds = Array.from({ length: jobs }, hex32);
  await store.query(
    `INSERT INTO jobs (job_id, tenant, capability_hash, valid_after_ms, expires_at_ms, max_spend_nano)
     SELECT id, decode(repeat('01', 20), 'hex'), id, 0, $2, $3 FROM unnest($1::bytea[]) id`,
    [jobIds.map(bytesOf), Date.now() + 3_600_000, 10n ** 15n],
  );
  const ledger = {
    holds: new HoldBatcher(store, { owner: "bench", proofMemoryMs: 120_000, nowMs: Date.now }),
    feed: new FeedWriter(store, gateway, Date.now),
  };
  const beginsAt = performance.now() + WARM_UP_MS;
  const endsAt = beginsAt + seconds * 1000;
  const latencies: number[] = [];
  const cpuBefore = { node: process.cpuUsage(), store: await storeCpuSeconds(store) };
  let total = 0;
  const client = async (index: number): Promise<void> => {
    for (let turn = index; performance.now() < endsAt; turn += clients) {
      const startedAt = performance.now();
      if (isFloor) await twoCommits(store);
      else await pair(ledger, jobIds[turn % jobs] ?? hex32());
      const endedAt = performance.now();
      total += 1;
      if (startedAt >= beginsAt && endedAt <= endsAt) latencies.push(endedAt - startedAt);
      if (restMs > 0) await sleep(restMs);
    }
  };
  await Promise.all(Array.from({ length: clients }, (_, index) => client(index)));
  const cpu = process.cpuUsage(cpuBefore.node);
  const storeSeconds = (await storeCpuSeconds(store)) - cpuBefore.store;
  latencies.sort((one, two) => one - two);
  const at = (share: number): string => (latencies[Math.floor(latencies.length * share)] ?? 0).toFixed(1);
  const [firstJob] = jobIds;
  const balances = firstJob === undefined ? null : (await auditJob(store, firstJob)).balances;
  if (!isFloor && balances?.get("held") !== 0n) throw new Error("Holds were left over");
  const pairs = Math.round(latencies.length / seconds);
  const nodeMicros = Math.round((cpu.user + cpu.system) / total);
  const storeMicros = storeSeconds === 0 ? "unknown" : Math.round((storeSeconds * 1e6) / total);
  return `${name}: ${pairs} pairs/s, p50 ${at(0.5)} ms, p95 ${at(0.95)} ms; CPU per pair: Node ${nodeMicros} us, PostgreSQL ${storeMicros} us`;
}

async function twoCommits(store: Pool): Promise<void> {
  for (let commit = 0; commit < 2; commit += 1) {
    await store.query({ name: "floor", text: "INSERT INTO floor VALUES ($1)", values: [randomBytes(32)] });
  }
}

/** CPU time of all of the server's processes so far; 0 where the kernel has no /proc. Ticks are of 10 ms. */
async function storeCpuSeconds(store: Pool): Promise<number> {
  if (process.platform !== "linux") return 0;
  const { rows } = await store.query<{ pid: number }>("SELECT pid FROM pg_stat_activity");
  const ticks = rows.map(({ pid }) => {
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
    return Number(fields[11]) + Number(fields[12]);
  });
  return ticks.reduce((sum, each) => sum + each, 0) / 100;
}

async function pair({ holds, feed }: Ledger, jobId: Hex): Promise<void> {
  const callId = newCallId();
  const proofHash = hex32();
  const held = await holds.hold({
    callId,
    receiptId: proofHash,
    jobId,
    kind: "chat",
    model: "chat-1",
    providerId: 1,
    tariffHash: proofHash,
    holdNano: HOLD_NANO,
    floorNano: HOLD_NANO,
    requestHash: proofHash,
    proofHash,
    idempotencyKey: null,
    jtiHash: proofHash,
  });
  if (held.outcome !== "held") throw new Error(`The hold was refused: ${held.outcome}`);
  await held.durable;
  const receipt: UsageReceipt.UsageReceipt = {
    receiptId: proofHash,
    jobId,
    capabilityHash: jobId,
    gateway,
    providerId: 1,
    modelHash: proofHash,
    inputTokens: 300n,
    cachedInputTokens: 0n,
    outputTokens: 400n,
    requests: 1n,
    durationMs: 0n,
    costNano: COST_NANO,
    tariffHash: proofHash,
    requestHash: proofHash,
    responseHash: proofHash,
    proofHash,
    countersigned: false,
    occurredAtMs: BigInt(held.heldAtMs),
  };
  const body = { receipt, receiptSignature, proof, usageAuth, usageReport: null };
  const answer = { status: 200, headers: {}, body: null };
  const isCaptured = await feed.capture(
    { kind: "usage", body },
    { callId, receipt, outcome: "complete", answer },
  );
  if (!isCaptured) throw new Error("A call had ended before its capture");
}
