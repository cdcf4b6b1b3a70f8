import { Quote, Wire } from "@tac/protocol";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { codeOf } from "./support/answers.ts";
import { type Grant, grantBody, makeGrant } from "./support/grants.ts";
import { type Harness, startHarness } from "./support/harness.ts";
import { hex32 } from "./support/hex32.ts";
import { domains, tariffKey } from "./support/identities.ts";
import { nowSeconds } from "./support/nowSeconds.ts";

let harness: Harness;
beforeAll(async () => {
  harness = await startHarness();
});
afterEach(() => harness.reset());
afterAll(() => harness.stop());

/** Asks for a lock of a grant altered so, and looks that neither the chain nor the store has it. */
const expectLockRefused = async (alter: (grant: Grant) => void, status: number, code: string) => {
  const locksBefore = harness.chain.lockCount;
  const by = await harness.caller();
  const grant = makeGrant(by.holder.jwk, hex32());
  alter(grant);
  harness.chain.balances.set(grant.capability.tenant, 1_000_000n);
  const answer = await by.send({ path: "/v1/jobs/lock", body: grantBody(grant) });
  expect([answer.status, codeOf(answer.text)], answer.text).toEqual([status, code]);
  expect(harness.chain.lockCount).toBe(locksBefore);
  const { rowCount } = await harness.pool.query("SELECT FROM jobs WHERE job_id = decode($1, 'hex')", [
    grant.capability.jobId.slice(2),
  ]);
  expect(rowCount).toBe(0);
};

const rehash = (grant: Grant) => {
  grant.capability.quoteHash = Quote.hash(grant.quote, domains.quote);
};

describe("POST /v1/jobs/lock", () => {
  test.each<[string, (grant: Grant) => void, number, string]>([
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
    [
      "a capability that was revoked before",
      ({ capability }) => harness.chain.revoke(capability.tenant, capability.jobId),
      403,
      "capability_revoked",
    ],
  ])("refuses %s", async (_name, alter, status, code) => {
    await expectLockRefused(alter, status, code);
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
