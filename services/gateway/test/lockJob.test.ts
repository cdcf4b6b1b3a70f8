import { Capability, Quote, Wire } from "@tac/protocol";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { codeOf } from "./support/answers.ts";
import { feedOf } from "./support/feedOf.ts";
import { grantBody, makeGrant } from "./support/grants.ts";
import { type Harness, startHarness } from "./support/harness.ts";
import { hex32 } from "./support/hex32.ts";
import { domains } from "./support/identities.ts";
import { nowSeconds } from "./support/nowSeconds.ts";

let harness: Harness;
beforeAll(async () => {
  harness = await startHarness();
});
afterEach(() => harness.reset());
afterAll(() => harness.stop());

describe("POST /v1/jobs/lock", () => {
  test("gives a job its tokens after the signer of its quote was replaced, and opens no other job on that quote", async () => {
    const job = await harness.openJob();
    const gateway = await harness.makeGateway({
      replicaId: "other-signers",
      tariffSigners: [Wire.privateKeyToAddress(hex32())],
    });
    await gateway.start();
    const connectUrl = await gateway.app.listen({ host: "127.0.0.1", port: 0 });
    const by = await harness.caller(job.by.holder, { connectUrl });
    const again = await by.send({ path: "/v1/jobs/lock", body: job.body });
    expect([again.status, JSON.parse(again.text)]).toMatchObject([200, { jobId: job.jobId, endedBy: null }]);
    const other = grantBody(makeGrant(by.holder.jwk, hex32()));
    expect(codeOf((await by.send({ path: "/v1/jobs/lock", body: other })).text)).toBe("invalid_signature");
    await gateway.app.close();
    await gateway.stop();
  });

  test("locks once, however often it is asked, and gives a fresh token each time", async () => {
    const job = await harness.openJob();
    const locks = harness.chain.lockCount;
    const again = await job.by.send({ path: "/v1/jobs/lock", body: job.body });
    expect(again.status, again.text).toBe(200);
    const [first, second] = [job.answer.text, again.text].map(
      (text) => JSON.parse(text) as Record<string, unknown>,
    );
    expect(second).toMatchObject({
      jobId: job.jobId,
      transactionHash: first?.transactionHash,
      spentNano: "0",
    });
    expect(second?.usageAuth).not.toBe(first?.usageAuth);
    expect(harness.chain.lockCount).toBe(locks);
    expect((await feedOf(harness.pool, job.jobId)).map(({ kind }) => kind)).toEqual(["job-opened"]);
    expect((await harness.audit(job.jobId)).problems).toEqual([]);
  });

  test("asked for twice at once locks once", async () => {
    const one = await harness.caller();
    const grant = makeGrant(one.holder.jwk, hex32());
    harness.chain.balances.set(grant.capability.tenant, 1_000_000n);
    const locks = harness.chain.lockCount;
    const again = await harness.caller(one.holder);
    const answers = await Promise.all(
      [one, again].map((by) => by.send({ path: "/v1/jobs/lock", body: grantBody(grant) })),
    );
    expect(answers.map(({ status }) => status)).toEqual([200, 200]);
    expect(harness.chain.lockCount).toBe(locks + 1);
    expect(await feedOf(harness.pool, grant.capability.jobId)).toHaveLength(1);
    expect((await harness.audit(grant.capability.jobId)).problems).toEqual([]);
  });

  test("takes over a lock that is on chain already, even after the quote's end", async () => {
    const by = await harness.caller();
    const tenantKey = hex32();
    const grant = makeGrant(by.holder.jwk, tenantKey);
    grant.quote.expiresAt = nowSeconds() - 1n;
    grant.capability.quoteHash = Quote.hash(grant.quote, domains.quote);
    harness.chain.balances.set(grant.capability.tenant, 1_000_000n);
    const signature = Capability.sign(grant.capability, domains.capability, tenantKey);
    await harness.chain.submitLock(grant.capability, signature);
    const answer = await by.send({ path: "/v1/jobs/lock", body: grantBody(grant) });
    expect(answer.status, answer.text).toBe(200);
  });

  test("does not take over the lock of another capability", async () => {
    const by = await harness.caller();
    const tenantKey = hex32();
    const grant = makeGrant(by.holder.jwk, tenantKey);
    harness.chain.balances.set(grant.capability.tenant, 1_000_000n);
    const wider = { ...grant.capability, maxSpendNano: 1_000n };
    await harness.chain.submitLock(wider, Capability.sign(wider, domains.capability, tenantKey));
    const answer = await by.send({ path: "/v1/jobs/lock", body: grantBody(grant) });
    expect(codeOf(answer.text)).toBe("invalid_capability");
  });
});
