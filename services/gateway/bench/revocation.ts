// Milliseconds from a tenant's signed revocation to its refusal on every replica: two gateway processes over one
// PostgreSQL, each called all the time; and to a provider that follows the signed list of the replica that was not told.
// `node --import tsx services/gateway/bench/revocation.ts [rounds]`
import { fork } from "node:child_process";
import { once } from "node:events";
import { cpus } from "node:os";
import { join } from "node:path";
import { Revocation, RevocationList, Wire } from "@tac/protocol";
import { z } from "zod";
import { startHarness } from "../test/support/harness.ts";
import { domains, gatewayAddress, gatewayKey, tariffKey } from "../test/support/identities.ts";
import type { TestCaller } from "../test/support/TestCaller.ts";

const CEILING_MS = 5_000;
const rounds = Number(process.argv[2] ?? 30);

const harness = await startHarness({
  revocationPollMs: 1_000,
  rateLimits: { perIpPerMinute: 1_000_000, perJobPerMinute: 1_000_000, quotesPerMinute: 1_000_000 },
});
const child = fork(join(import.meta.dirname, "revocationReplica.ts"), { execArgv: ["--import", "tsx"] });
const exited = once(child, "exit").then(() => {
  throw new Error("The second process ended");
});
// What is sent before the child listens is lost, and it loads its modules first.
await Promise.race([once(child, "message"), exited]);
child.send({
  databaseUrl: harness.databaseUrl,
  publicUrl: harness.url,
  providerUrl: harness.providerUrl,
  tariffUrl: harness.place.tariffUrl,
  tariffSigner: Wire.privateKeyToAddress(tariffKey),
  gatewayKey,
  certificate: { cert: harness.certificate.cert, key: harness.certificate.key },
});
const [told] = await Promise.race([once(child, "message"), exited]);
const { connectUrl } = z.object({ connectUrl: z.string() }).parse(told);

type Job = Awaited<ReturnType<typeof harness.openJob>>;

/** When the first call that was refused had been sent; until then calls go one after the other. */
const firstRefusal = async (by: TestCaller, job: Job): Promise<number> => {
  for (;;) {
    const { status, text } = await by.send(job.chat());
    if (status === 200) continue;
    const { code } = z.object({ error: z.object({ code: z.string() }) }).parse(JSON.parse(text)).error;
    if (code === "capability_revoked") return performance.now();
    throw new Error(`a call failed for another reason: ${code}`);
  }
};

/** When a list with the job had arrived, asked for as providers ask: each time for what comes next. */
const listed = async (by: TestCaller, job: Job): Promise<number> => {
  for (let after = 0n; ; ) {
    const path = `/v1/revocations?after=${after}&waitMs=${after === 0n ? 0 : 1_500}`;
    const { text } = await by.send({ method: "GET", path });
    const page = Wire.parse(RevocationList.schema, JSON.parse(text));
    RevocationList.verify(
      page,
      { gateway: gatewayAddress, afterSeq: after, nowMs: Date.now() },
      domains.usageReceipts,
    );
    if (page.entries.some(({ jobId }) => jobId === job.jobId)) return performance.now();
    after = page.head.toSeq;
  }
};

const own: number[] = [];
const other: number[] = [];
const list: number[] = [];
const tenant = await harness.caller();
for (let round = 0; round < rounds; round++) {
  const job = await harness.openJob({ maxSpendNano: 100_000n });
  const [near, far, provider] = await Promise.all([
    harness.caller(job.by.holder),
    harness.caller(job.by.holder, { connectUrl }),
    harness.caller(undefined, { connectUrl }),
  ]);
  const ends = Promise.all([firstRefusal(near, job), firstRefusal(far, job), listed(provider, job)]);
  await new Promise((resolve) => setTimeout(resolve, 100));
  const { salt, tenant: account } = job.grant.capability;
  const revocation = { tenant: account, salt, deadline: BigInt(Math.floor(Date.now() / 1000) + 60) };
  const body = {
    revocation: Revocation.toJson(revocation),
    signature: Revocation.sign(revocation, domains.capability, job.grant.tenantKey),
  };
  const startedAt = performance.now();
  const answer = await tenant.send({ path: "/v1/revocations", body });
  if (answer.status !== 200) throw new Error(answer.text);
  const [nearEnd, farEnd, listEnd] = await ends;
  own.push(nearEnd - startedAt);
  other.push(farEnd - startedAt);
  list.push(listEnd - startedAt);
  await Promise.all([near.close(), far.close(), provider.close()]);
}

const report = (title: string, durations: number[]): number => {
  durations.sort((one, two) => one - two);
  const at = (share: number): number =>
    durations[Math.min(Math.floor(durations.length * share), durations.length - 1)] ?? 0;
  const figures = [0.5, 0.95, 1].map((share) => at(share).toFixed(1)).join(" / ");
  console.log(`${title.padEnd(52)} p50 / p95 / max: ${figures} ms`);
  return at(1);
};
console.log(
  `${cpus()[0]?.model ?? "unknown CPU"}, Node ${process.versions.node}, ${rounds} revocations, two processes`,
);
const worst = Math.max(
  report("refused by the replica that was told", own),
  report("refused by the other process", other),
  report("in the signed list of the other process", list),
);
console.log(`the slowest of all: ${worst.toFixed(1)} ms; the ceiling is ${CEILING_MS} ms, the aim 1000 ms`);

child.send("end");
await exited.catch(() => undefined);
await harness.stop();
if (worst > CEILING_MS) process.exitCode = 1;
