import { setTimeout as sleep } from "node:timers/promises";
import { HolderKey } from "@tac/protocol";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { codeOf, outcomeOf } from "./support/answers.ts";
import { feedOf } from "./support/feedOf.ts";
import { type Harness, startHarness, type TestJob } from "./support/harness.ts";

let harness: Harness;
beforeAll(async () => {
  harness = await startHarness();
});
afterEach(() => harness.reset());
afterAll(() => harness.stop());

describe("a job that has ended", () => {
  /** The token of a repeated lock: good for reading, and for nothing else. */
  const expectReadOnly = async (job: TestJob, code: string, status: number) => {
    const receiptId = String((await job.by.send(job.chat())).headers["x-receipt-id"]);
    return async (closeStatus: number) => {
      const locked = await job.by.send({ path: "/v1/jobs/lock", body: job.body });
      expect(locked.status, locked.text).toBe(200);
      const { usageAuth: token, endedBy } = JSON.parse(locked.text) as { usageAuth: string; endedBy: string };
      expect(endedBy).toBe(code);
      for (const path of [`/v1/jobs/${job.jobId}`, `/v1/receipts/${receiptId}`]) {
        const shown = await job.by.send({ method: "GET", path, token });
        expect(shown.status, shown.text).toBe(200);
      }
      harness.provider.received.length = 0;
      const call = await job.by.send({ ...job.chat(), token });
      expect([call.status, codeOf(call.text)]).toEqual([status, code]);
      expect(harness.provider.received).toEqual([]);
      const events = (await feedOf(harness.pool, job.jobId)).length;
      const close = await job.by.send({ path: "/v1/jobs/close", body: {}, token });
      expect(close.status, close.text).toBe(closeStatus);
      expect(await feedOf(harness.pool, job.jobId)).toHaveLength(events);
    };
  };

  test.each(["closed", "settled"])("because it is %s is still shown to its holder", async (status) => {
    const job = await harness.openJob();
    const check = await expectReadOnly(job, "job_closed", 409);
    await job.by.send({ path: "/v1/jobs/close", body: {}, token: job.token });
    await harness.pool.query("UPDATE jobs SET status = $1 WHERE job_id = decode($2, 'hex')", [
      status,
      job.jobId.slice(2),
    ]);
    // Closing again gives the first answer, and no second event.
    await check(200);
  });

  test("because it was revoked is still shown to its holder", async () => {
    const job = await harness.openJob();
    const check = await expectReadOnly(job, "capability_revoked", 403);
    harness.chain.revoke(job.grant.capability.tenant, job.jobId);
    await expect
      .poll(async () => outcomeOf(await job.by.send(job.chat())), { timeout: 5_000 })
      .toBe("capability_revoked");
    await check(403);
  });

  test("because it expired is still shown to its holder", async () => {
    const job = await harness.openJob({ expiresInSeconds: 2 });
    const check = await expectReadOnly(job, "capability_expired", 401);
    await sleep(2_100);
    await check(401);
  });

  test("is shown to nobody else", async () => {
    const job = await harness.openJob();
    await job.by.send({ path: "/v1/jobs/close", body: {}, token: job.token });
    const stranger = await harness.caller();
    const answer = await stranger.send({ path: "/v1/jobs/lock", body: job.body });
    expect(codeOf(answer.text)).toBe("invalid_proof");
    const jwk = stranger.holder.jwk;
    const holder = HolderKey.thumbprint(jwk);
    const forged = { ...job.body, jwk, capability: { ...job.body.capability, holder } };
    const refused = await stranger.send({ path: "/v1/jobs/lock", body: forged });
    expect(codeOf(refused.text)).toBe("invalid_capability");
  });
});

test("a lock released on chain after its expiry settles the job", async () => {
  const job = await harness.openJob();
  harness.chain.release(job.jobId);
  const status = async () => {
    const shown = await job.by.send({ method: "GET", path: `/v1/jobs/${job.jobId}`, token: job.token });
    return (JSON.parse(shown.text) as { status: string }).status;
  };
  await expect.poll(status, { timeout: 5_000 }).toBe("settled");
  expect(codeOf((await job.by.send(job.chat())).text)).toBe("job_closed");
  const closed = await job.by.send({ path: "/v1/jobs/close", body: {}, token: job.token });
  expect(closed.status, closed.text).toBe(200);
});

test("a capability that ends lets no call begin", async () => {
  const job = await harness.openJob({ expiresInSeconds: 2 });
  expect((await job.by.send(job.chat())).status).toBe(200);
  await sleep(2_100);
  const answer = await job.by.send(job.chat());
  expect(["capability_expired", "usage_auth_expired"]).toContain(codeOf(answer.text));
});
