import { fork } from "node:child_process";
import { createPublicKey, sign, verify } from "node:crypto";
import { once } from "node:events";
import { join } from "node:path";
import { createLogger, createPool, ensureDatabase, migrate } from "@tac/kit";
import { startTestPostgres } from "@tac/kit/testing";
import { PrivateKey, Tariff, Wire } from "@tac/protocol";
import { Agent } from "undici";
import type { Served } from "./feedServer.ts";
import { megabytes, startMeter, type ValidationResult } from "./meter.ts";

/**
 * How fast one replica takes in a feed: pages over HTTP, hash chain, every signature and rule, and its durable PostgreSQL.
 * Writes one JSON line. `node --import tsx bench/validation.ts <receipts> <jobs> <threads> [services/oracle-agg elsewhere]`;
 * with the last argument the replica's own code is that of another checkout.
 */
const [receipts = 10_000, jobs = 200, threads = 0] = process.argv.slice(2, 5).map(Number);
const source = process.argv[5] ?? join(import.meta.dirname, "..");
const from = (module: string): Promise<unknown> => import(join(source, "src", module));
const { FeedPuller } = (await from("feed/FeedPuller.ts")) as typeof import("../src/feed/FeedPuller.ts");
const { createGatewayPort } = (await from(
  "feed/GatewayPort.ts",
)) as typeof import("../src/feed/GatewayPort.ts");
const { createValidationPool } = (await from(
  "feed/ValidationPool.ts",
)) as typeof import("../src/feed/ValidationPool.ts");
const { FeedStore } = (await from("store/FeedStore.ts")) as typeof import("../src/store/FeedStore.ts");

/** Receipts that only warm up: compiled code, started threads, open connections. */
const WARM_UP = 8_000;

const server = fork(join(import.meta.dirname, "feedServer.ts"), [String(receipts + WARM_UP), String(jobs)]);
const [served] = (await once(server, "message")) as [Served];

const postgres = await startTestPostgres({ durable: true });
const url = postgres.urlOf("replica");
await ensureDatabase(url);
const pool = createPool({ url });
await migrate(pool, join(source, "migrations"));

const tariffs = new Map(served.tariffs.map(([hash, json]) => [hash, Wire.parse(Tariff.schema, json)]));
const store = new FeedStore(pool);
const validation = createValidationPool(threads);
const nodeKey = PrivateKey.generate("Ed25519");
const agent = new Agent();
const puller = new FeedPuller({
  gateway: createGatewayPort(
    { address: served.gateway, url: served.url, publicCertificate: false },
    { peer: "1", nodeKey },
    agent,
  ),
  store,
  tariffs: async (hash) => {
    const tariff = tariffs.get(hash);
    if (tariff === undefined) throw new Error(`there is no tariff ${hash}`);
    return tariff;
  },
  domains: served.domains,
  tariffSigners: new Set([served.tariffSigner]),
  pool: validation,
  logger: createLogger({ service: "bench", level: "silent" }),
});
const pulled = async (): Promise<number> => Number((await store.feeds())[0]?.pulled.seq ?? 0n);

const signatureMicros = checkMicros(served.countersigned / served.events);
while ((await pulled()) < WARM_UP) await puller.pull();
const before = await pulled();
const quarterMegabytes: number[] = [];
const meter = await startMeter(pool);
for (let hasMore = true; hasMore; ) {
  hasMore = await puller.pull();
  const done = ((await pulled()) - before) / (served.events - before);
  while (quarterMegabytes.length < Math.floor(done * 4)) quarterMegabytes.push(megabytes());
}
const spent = meter();
const { rows } = await pool.query<{ accepted: bigint }>(
  "SELECT count(*) AS accepted FROM events WHERE code IS NULL",
);
if (Number(rows[0]?.accepted) !== served.events) throw new Error("not every event was accepted");
const result: ValidationResult = {
  receipts: served.events - before,
  countersigned: served.countersigned / served.events,
  threads,
  quarterMegabytes,
  signatureMicros,
  ...spent,
};
console.log(JSON.stringify(result));

await validation.close();
await agent.close();
await pool.end();
await postgres.stop();
server.disconnect();

/** The signatures of one receipt: the caller's, the gateway's, and in `countersigned` of all cases the provider's. */
function checkMicros(countersigned: number): number {
  const privateKey = PrivateKey.generate("P-256");
  const publicKey = createPublicKey(privateKey);
  const text = Buffer.alloc(600, "a");
  const proof = sign("sha256", text, { key: privateKey, dsaEncoding: "ieee-p1363" });
  const digest = Wire.keccakHex(text);
  const signature = Wire.signDigest(digest, digest);
  const recover = (): unknown => Wire.recoverDigest(digest, signature);
  const p256 = microsOf(() => verify("sha256", text, { key: publicKey, dsaEncoding: "ieee-p1363" }, proof));
  return p256 + (1 + countersigned) * microsOf(recover);
}

function microsOf(work: () => unknown): number {
  for (let count = 0; count < 200; count += 1) work();
  const before = process.cpuUsage();
  for (let count = 0; count < 2_000; count += 1) work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 2_000;
}
