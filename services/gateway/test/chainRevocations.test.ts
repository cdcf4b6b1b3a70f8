import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { codeOf, outcomeOf } from "./support/answers.ts";
import { type Harness, startHarness } from "./support/harness.ts";
import { taskOf } from "./support/revocations.ts";

let harness: Harness;
beforeAll(async () => {
  harness = await startHarness();
});
afterEach(() => harness.reset());
afterAll(() => harness.stop());

describe("a revocation on chain", () => {
  test("of one job stops its calls, and no other's", async () => {
    const [job, other] = [await harness.openJob(), await harness.openJob()];
    harness.chain.revoke(job.grant.capability.tenant, job.jobId);
    await expect
      .poll(async () => outcomeOf(await job.by.send(job.chat())), { timeout: 5_000 })
      .toBe("capability_revoked");
    expect((await other.by.send(other.chat())).status).toBe(200);
    expect((await harness.audit(job.jobId)).balances.get("held") ?? 0n).toBe(0n);
  });

  test("of all of a tenant stops each", async () => {
    const job = await harness.openJob();
    harness.chain.revoke(job.grant.capability.tenant, null);
    await expect
      .poll(async () => outcomeOf(await job.by.send(job.chat())), { timeout: 5_000 })
      .toBe("capability_revoked");
  });

  test("of all of a tenant is written into the locks that are open", async () => {
    const job = await harness.openJob();
    harness.chain.revoke(job.grant.capability.tenant, null);
    await expect.poll(() => harness.chain.appliedJobIds, { timeout: 5_000 }).toContain(job.jobId);
    await expect.poll(() => taskOf(harness.pool, job.jobId)).toBe("done");
    expect(outcomeOf(await job.by.send(job.chat()))).toBe("capability_revoked");
  });

  test("that cannot be read for too long lets no call through", async () => {
    const job = await harness.openJob();
    harness.chain.isDown = true;
    await sleep(4_300);
    const answer = await job.by.send(job.chat());
    expect([answer.status, codeOf(answer.text)]).toEqual([503, "chain_unavailable"]);
    expect(harness.provider.received).toEqual([]);
    harness.chain.isDown = false;
    await expect.poll(async () => (await job.by.send(job.chat())).status, { timeout: 5_000 }).toBe(200);
  });
});
