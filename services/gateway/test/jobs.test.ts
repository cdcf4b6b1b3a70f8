import { Capability, HolderKey, Quote, Tariff, Wire } from "@tac/protocol";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { TariffStore } from "../src/jobs/TariffStore.ts";
import { feedOf } from "./support/feedOf.ts";
import { grantBody, type JobOptions, makeGrant } from "./support/grants.ts";
import { type Harness, startHarness } from "./support/harness.ts";
import { hex32 } from "./support/hex32.ts";
import { domains, tariffKey } from "./support/identities.ts";
import { answerUsual, chunkOf } from "./support/TestProvider.ts";
import { embeddingTariff } from "./support/tariffs.ts";

let harness: Harness;
beforeAll(async () => {
  harness = await startHarness();
});
afterEach(() => harness.reset());
afterAll(() => harness.stop());

const codeOf = (text: string) => (JSON.parse(text) as { error: { code: string } }).error.code;
const sleep = (delayMs: number) => new Promise((resolve) => setTimeout(resolve, delayMs));
const nowSeconds = () => BigInt(Math.floor(Date.now() / 1000));

const expectLockRefused = async (options: JobOptions, status: number, code: string) => {
  const locksBefore = harness.chain.lockCount;
  const by = await harness.caller();
  const tenantKey = hex32();
  const grant = makeGrant(by.holder.jwk, tenantKey, options);
  options.alter?.(grant);
  harness.chain.balances.set(grant.capability.tenant, 1_000_000n);
  const answer = await by.send({ path: "/v1/jobs/lock", body: grantBody(grant) });
  expect([answer.status, codeOf(answer.text)], answer.text).toEqual([status, code]);
  expect(harness.chain.lockCount).toBe(locksBefore);
  const { rowCount } = await harness.pool.query("SELECT FROM jobs WHERE job_id = decode($1, 'hex')", [
    grant.capability.jobId.slice(2),
  ]);
  expect(rowCount).toBe(0);
};

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

  test("refuses a job that is here with the quote of another", async () => {
    const job = await harness.openJob();
    const { signedQuote } = grantBody(makeGrant(job.by.holder.jwk, job.grant.tenantKey));
    const answer = await job.by.send({ path: "/v1/jobs/lock", body: { ...job.body, signedQuote } });
    expect([answer.status, codeOf(answer.text)]).toEqual([409, "quote_mismatch"]);
  });

  test("refuses a plan whose models fit in no token, before anything is locked for it", async () => {
    const by = await harness.caller();
    const grant = makeGrant(by.holder.jwk, hex32());
    const [step] = grant.steps;
    if (step === undefined) throw new Error("the plan has no step");
    const { providerId, tariffHash, ceilingNano, ...planned } = step;
    const long = {
      steps: Array.from({ length: 64 }, (_, index) => ({
        ...planned,
        id: `step-${index}`,
        model: `model-${String(index).padStart(60, "0")}`,
      })),
    };
    const tariffs = grant.tariffs.slice(0, 1);
    const quote = {
      ...grant.quote,
      planHash: Quote.planHash(long),
      tariffsHash: Quote.tariffsHash(tariffs),
      ceilingNano: 64n * ceilingNano,
    };
    const capability = { ...grant.capability, quoteHash: Quote.hash(quote, domains.quote) };
    const signedQuote = Quote.signedToJson({
      quote,
      signature: Quote.sign(quote, domains.quote, tariffKey),
      signer: Wire.privateKeyToAddress(tariffKey),
      plan: long,
      tariffs,
      steps: long.steps.map((each) => ({ ...each, providerId, tariffHash, ceilingNano })),
    });
    harness.chain.balances.set(capability.tenant, 1_000_000n);
    const locksBefore = harness.chain.lockCount;
    const body = { ...grantBody({ ...grant, capability }), signedQuote };
    const answer = await by.send({ path: "/v1/jobs/lock", body });
    expect([answer.status, answer.text]).toEqual([400, expect.stringContaining("do not fit in one token")]);
    expect(harness.chain.lockCount).toBe(locksBefore);
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

  const rehash = (grant: ReturnType<typeof makeGrant>) => {
    grant.capability.quoteHash = Quote.hash(grant.quote, domains.quote);
  };

  test.each<[string, (grant: ReturnType<typeof makeGrant>) => void, number, string]>([
    [
      "an expired quote",
      (grant) => {
        grant.quote.expiresAt = nowSeconds() - 1n;
        rehash(grant);
      },
      409,
      "quote_expired",
    ],
    [
      "a capability for another quote",
      (grant) => void Object.assign(grant.capability, { quoteHash: hex32() }),
      409,
      "quote_mismatch",
    ],
    [
      "a quote for another gateway",
      (grant) => {
        grant.quote.gateway = `0x${"77".repeat(20)}`;
        rehash(grant);
      },
      409,
      "quote_mismatch",
    ],
    [
      "a quote for another tenant",
      (grant) => {
        grant.quote.tenant = `0x${"77".repeat(20)}`;
        rehash(grant);
      },
      409,
      "quote_mismatch",
    ],
    [
      "a spend above the ceiling",
      (grant) => void Object.assign(grant.capability, { maxSpendNano: grant.quote.ceilingNano + 1n }),
      409,
      "quote_mismatch",
    ],
    ["cheaper steps than quoted", (grant) => void grant.steps.splice(1, 1), 409, "quote_mismatch"],
    [
      "another job id",
      (grant) => void Object.assign(grant.capability, { jobId: hex32() }),
      401,
      "invalid_capability",
    ],
    [
      "an expired capability",
      (grant) => void Object.assign(grant.capability, { expiresAt: nowSeconds() }),
      401,
      "capability_expired",
    ],
    [
      "a capability of the future",
      (grant) => void Object.assign(grant.capability, { validAfter: nowSeconds() + 60n }),
      401,
      "capability_not_yet_valid",
    ],
    [
      "a signature of someone else",
      (grant) => void Object.assign(grant, { tenantKey: hex32() }),
      401,
      "invalid_signature",
    ],
  ])("refuses %s", async (_name, alter, status, code) => {
    await expectLockRefused({ alter }, status, code);
  });

  test("refuses a tenant without credit", async () => {
    const by = await harness.caller();
    const grant = makeGrant(by.holder.jwk, hex32());
    const answer = await by.send({ path: "/v1/jobs/lock", body: grantBody(grant) });
    expect([answer.status, codeOf(answer.text)]).toEqual([402, "credit_exhausted"]);
  });

  test("refuses a caller who is not the holder", async () => {
    const by = await harness.caller();
    const other = await harness.caller();
    const grant = makeGrant(other.holder.jwk, hex32());
    const answer = await by.send({ path: "/v1/jobs/lock", body: grantBody(grant) });
    expect(codeOf(answer.text)).toBe("invalid_proof");
  });
});

describe("POST /v1/jobs/close", () => {
  test("ends a job once, and no call begins afterwards", async () => {
    const job = await harness.openJob();
    await job.by.send(job.chat());
    const close = { path: "/v1/jobs/close", body: {}, token: job.token };
    const first = JSON.parse((await job.by.send(close)).text) as { closedAtMs: number };
    const again = JSON.parse((await job.by.send(close)).text) as { closedAtMs: number };
    expect(again).toEqual({ jobId: job.jobId, closedAtMs: first.closedAtMs });
    const kinds = (await feedOf(harness.pool, job.jobId)).map(({ kind }) => kind);
    expect(kinds).toEqual(["job-opened", "usage", "job-closed"]);
    const refused = await job.by.send(job.chat());
    expect([refused.status, codeOf(refused.text)]).toEqual([409, "job_closed"]);
  });

  test("waits for running calls, but not for long", async () => {
    const job = await harness.openJob();
    harness.provider.answer = async (received, response) => {
      await sleep(1_600);
      await answerUsual(received, response);
    };
    const other = await harness.caller(job.by.holder);
    const running = job.by.send(job.chat());
    await sleep(80);
    const close = { path: "/v1/jobs/close", body: {}, token: job.token };
    const refused = await other.send(close);
    expect([refused.status, codeOf(refused.text)]).toEqual([409, "calls_running"]);
    expect(refused.headers).toMatchObject({ "retry-after": "1", "x-should-retry": "true" });
    expect((await running).status).toBe(200);
    expect((await other.send(close)).status).toBe(200);
  });
});

describe("a job that has ended", () => {
  type Job = Awaited<ReturnType<Harness["openJob"]>>;

  /** The token of a repeated lock: good for reading, and for nothing else. */
  const expectReadOnly = async (job: Job, code: string, status: number) => {
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
    harness.chain.revoke(job.grant.capability.tenant, job.jobId, Number(nowSeconds()));
    await expect
      .poll(async () => codeOfAnswer(await job.by.send(job.chat())), { timeout: 5_000 })
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

test("a tariff that the chain does not confirm keeps no other from being offered", async () => {
  const chain = {
    tariffHashOf: async (providerId: number) =>
      providerId === embeddingTariff.providerId ? Tariff.hash(embeddingTariff) : hex32(),
  };
  const store = new TariffStore(harness.pool, chain, harness.place.tariffUrl);
  await expect(store.refresh()).rejects.toThrow("did not publish this tariff");
  expect(["chat-1", "embed-1"].map((model) => store.hasModel(model))).toEqual([false, true]);
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

test("a stream admitted before its revocation on chain ends with it, and is charged as of its admission", async () => {
  const job = await harness.openJob();
  harness.provider.answer = (_received, response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.write(chunkOf("early "));
    // The gateway gives a silent provider up after two seconds, and a busy machine may need longer here.
    const keepAlive = setInterval(() => response.write(": keep-alive\n\n"), 200);
    response.once("close", () => clearInterval(keepAlive));
  };
  const startedAtMs = Date.now();
  const { body } = await job.by.begin(job.chat({ stream: true }));
  const admittedByMs = Date.now();
  // A call that slips in before the revocation is seen must not wait for the stream's end.
  harness.provider.answer = answerUsual;
  await sleep(1_100);
  harness.chain.revoke(job.grant.capability.tenant, job.jobId, Number(nowSeconds()));
  const other = await harness.caller(job.by.holder);
  await expect
    .poll(async () => codeOfAnswer(await other.send(job.chat())), { timeout: 5_000 })
    .toBe("capability_revoked");
  const text = await body.text();
  expect([text.includes("early "), text.includes('"code":"capability_revoked"')]).toEqual([true, true]);
  const usage = (await feedOf(harness.pool, job.jobId)).findLast(({ kind }) => kind === "usage");
  if (usage?.kind !== "usage") throw new Error("no usage event");
  const { occurredAtMs } = usage.body.receipt;
  // Dated by the store's clock, which is known to half of a round trip.
  const roundTripMs = 100;
  expect(Number(occurredAtMs)).toBeGreaterThanOrEqual(startedAtMs - roundTripMs);
  expect(Number(occurredAtMs)).toBeLessThanOrEqual(admittedByMs + roundTripMs);
  expect(occurredAtMs).toBeLessThan(usage.recordedAtMs - 1_000n);
});

describe("revocation", () => {
  test("of one job stops its calls, and no other's", async () => {
    const [job, other] = [await harness.openJob(), await harness.openJob()];
    harness.chain.revoke(job.grant.capability.tenant, job.jobId, Number(nowSeconds()));
    await expect
      .poll(async () => codeOfAnswer(await job.by.send(job.chat())), { timeout: 5_000 })
      .toBe("capability_revoked");
    expect((await other.by.send(other.chat())).status).toBe(200);
    expect((await harness.audit(job.jobId)).balances.get("held") ?? 0n).toBe(0n);
  });

  test("of all of a tenant stops each", async () => {
    const job = await harness.openJob();
    harness.chain.revoke(job.grant.capability.tenant, null, Number(nowSeconds()));
    await expect
      .poll(async () => codeOfAnswer(await job.by.send(job.chat())), { timeout: 5_000 })
      .toBe("capability_revoked");
  });

  test("before the lock is found at the lock", async () => {
    const revoke = (grant: ReturnType<typeof makeGrant>) =>
      harness.chain.revoke(grant.capability.tenant, grant.capability.jobId, Number(nowSeconds()));
    await expectLockRefused({ alter: revoke }, 403, "capability_revoked");
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

test("a capability that ends lets no call begin", async () => {
  const job = await harness.openJob({ expiresInSeconds: 2 });
  expect((await job.by.send(job.chat())).status).toBe(200);
  await sleep(2_100);
  const answer = await job.by.send(job.chat());
  expect(["capability_expired", "usage_auth_expired"]).toContain(codeOf(answer.text));
});

function codeOfAnswer(answer: { status: number; text: string }): string {
  return answer.status === 200 ? "ok" : codeOf(answer.text);
}
