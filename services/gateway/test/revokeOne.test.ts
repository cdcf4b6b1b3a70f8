import { setTimeout as sleep } from "node:timers/promises";
import { Revocation, Wire } from "@tac/protocol";
import type { Hex } from "viem";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { bytesOf } from "../src/ledger/bytes.ts";
import { outcomeOf } from "./support/answers.ts";
import { type FarReplica, startFarReplica } from "./support/farReplica.ts";
import { makeGrant } from "./support/grants.ts";
import { type Harness, startHarness, type TestJob } from "./support/harness.ts";
import { hex32 } from "./support/hex32.ts";
import { domains } from "./support/identities.ts";
import { nowSeconds } from "./support/nowSeconds.ts";
import { postRevocation, revokeOneBody, takenOf, taskOf } from "./support/revocations.ts";

let harness: Harness;
let far: FarReplica;
beforeAll(async () => {
  harness = await startHarness();
  far = await startFarReplica(harness);
});
afterEach(() => harness.reset());
afterAll(async () => {
  await far.stop();
  await harness.stop();
});

const storedCount = async (jobId: Hex): Promise<number> => {
  const { rows } = await harness.pool.query<{ count: bigint }>(
    "SELECT count(*) FROM revocations WHERE job_id = $1",
    [bytesOf(jobId)],
  );
  return Number(rows[0]?.count);
};

describe("a tenant's signed revocation of one capability", () => {
  test("stops its calls on every replica and no other job's, and reaches the chain", async () => {
    const [job, other] = [await harness.openJob(), await harness.openJob()];
    const elsewhere = await harness.caller(job.by.holder, far);
    expect((await elsewhere.send(job.chat())).status).toBe(200);
    const sentAtMs = Date.now();
    const answer = takenOf(await postRevocation(harness, revokeOneBody(job)));
    expect(answer).toMatchObject({ jobIds: [job.jobId], chain: "gateway" });
    expect(Number(answer.revokedAtMs)).toBeGreaterThanOrEqual(sentAtMs);
    harness.provider.received.length = 0;
    for (const by of [job.by, elsewhere])
      expect(outcomeOf(await by.send(job.chat()))).toBe("capability_revoked");
    expect(harness.provider.received).toEqual([]);
    expect(outcomeOf(await other.by.send(other.chat()))).toBe("ok");
    await expect.poll(() => taskOf(harness.pool, job.jobId), { timeout: 5_000 }).toBe("done");
    expect(harness.chain.revocations.filter(({ jobId }) => jobId === job.jobId)).toHaveLength(1);
  });

  test("said again changes nothing", async () => {
    const job = await harness.openJob();
    const body = revokeOneBody(job);
    const first = await postRevocation(harness, body);
    const again = await postRevocation(harness, body);
    expect(takenOf(again)).toEqual(takenOf(first));
    expect(await storedCount(job.jobId)).toBe(1);
    await expect.poll(() => taskOf(harness.pool, job.jobId), { timeout: 5_000 }).toBe("done");
    expect(
      takenOf(await postRevocation(harness, revokeOneBody(job, { deadline: nowSeconds() + 600n }))),
    ).toEqual(takenOf(first));
    expect(harness.chain.revocations.filter(({ jobId }) => jobId === job.jobId)).toHaveLength(1);
  });

  test.each<[string, number, string, (job: TestJob) => object]>([
    ["signed by another", 401, "invalid_signature", (job) => revokeOneBody(job, { key: hex32() })],
    [
      "handed in too late",
      401,
      "invalid_signature",
      (job) => revokeOneBody(job, { deadline: nowSeconds() - 1n }),
    ],
    [
      "with another deadline than was signed",
      401,
      "invalid_signature",
      (job) => ({
        ...revokeOneBody(job),
        revocation: { ...revokeOneBody(job).revocation, deadline: String(nowSeconds() + 999n) },
      }),
    ],
    [
      "of a job that is not here",
      404,
      "unknown_job",
      (job) => revokeOneBody({ grant: makeGrant(job.by.holder.jwk, job.grant.tenantKey) }),
    ],
    [
      "by a tenant whose job it is not",
      404,
      "unknown_job",
      (job) => {
        const stranger = hex32();
        const revocation = {
          tenant: Wire.privateKeyToAddress(stranger),
          salt: job.grant.capability.salt,
          deadline: nowSeconds() + 60n,
        };
        const signature = Revocation.sign(revocation, domains.capability, stranger);
        return { revocation: Revocation.toJson(revocation), signature };
      },
    ],
    ["without a signature", 400, "invalid_request", (job) => ({ revocation: revokeOneBody(job).revocation })],
  ])("%s is refused", async (_what, status, code, bodyOf) => {
    const job = await harness.openJob();
    const answer = await postRevocation(harness, bodyOf(job));
    expect([answer.status, outcomeOf(answer)], answer.text).toEqual([status, code]);
    expect(await storedCount(job.jobId)).toBe(0);
    expect(await taskOf(harness.pool, job.jobId)).toBeUndefined();
    expect(outcomeOf(await job.by.send(job.chat()))).toBe("ok");
  });

  test("is taken from a tenant that is a contract, when the contract says so", async () => {
    const job = await harness.openJob();
    const body = revokeOneBody(job, { key: hex32() });
    const { tenant, salt } = job.grant.capability;
    const revocation = { tenant, salt, deadline: BigInt(body.revocation.deadline) };
    harness.chain.accountSignatures.set(tenant, Revocation.hash(revocation, domains.capability));
    expect(takenOf(await postRevocation(harness, body)).jobIds).toEqual([job.jobId]);
    expect(outcomeOf(await job.by.send(job.chat()))).toBe("capability_revoked");
  });

  test("waits for a chain that is away, and is kept when the chain refuses it", async () => {
    const job = await harness.openJob();
    harness.chain.refusesRevocations = "chain_unavailable";
    takenOf(await postRevocation(harness, revokeOneBody(job)));
    await sleep(1_500);
    expect(await taskOf(harness.pool, job.jobId)).toBeNull();
    harness.chain.refusesRevocations = "invalid_signature";
    await harness.pool.query("UPDATE revocation_tasks SET due_at_ms = 0 WHERE job_id = $1", [
      bytesOf(job.jobId),
    ]);
    await expect.poll(() => taskOf(harness.pool, job.jobId), { timeout: 5_000 }).toMatch(/^refused/);
    expect(outcomeOf(await job.by.send(job.chat()))).toBe("capability_revoked");
    harness.chain.refusesRevocations = null;
    takenOf(await postRevocation(harness, revokeOneBody(job, { deadline: nowSeconds() + 600n })));
    await expect.poll(() => taskOf(harness.pool, job.jobId), { timeout: 5_000 }).toBe("done");
  });
});

test("nobody can take a revocation back", async () => {
  const job = await harness.openJob();
  takenOf(await postRevocation(harness, revokeOneBody(job)));
  for (const statement of [
    "DELETE FROM revocations",
    "UPDATE revocations SET expires_at_ms = 0",
    "TRUNCATE revocations",
  ]) {
    await expect(harness.pool.query(statement)).rejects.toThrow("append-only");
  }
});
