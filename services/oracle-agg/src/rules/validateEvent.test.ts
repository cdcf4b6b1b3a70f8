import { Capability, DpopProof, type FeedEvent, HolderKey } from "@tac/protocol";
import { describe, expect, test } from "vitest";
import { lastCode } from "../../test/support/judge.ts";
import { TestGateway } from "../../test/support/TestGateway.ts";
import {
  account,
  type CallChoices,
  call,
  closeJob,
  hex32,
  type JobChoices,
  openJob,
  type TestJob,
} from "../../test/support/World.ts";

const seconds = (offset: number): number => Math.floor(Date.now() / 1000) + offset;

const opening = (job: TestJob): FeedEvent.FeedBody => ({ kind: "job-opened", body: job.opened });
const usage = (body: FeedEvent.Usage): FeedEvent.FeedBody => ({ kind: "usage", body });
const closing = (body: FeedEvent.JobClosed): FeedEvent.FeedBody => ({ kind: "job-closed", body });

const openedWith = (choices: JobChoices) => {
  const gateway = new TestGateway();
  return lastCode(gateway, opening(openJob(gateway.account, choices)));
};

const calledWith = (choices: CallChoices, jobChoices: JobChoices = {}) => {
  const gateway = new TestGateway();
  const job = openJob(gateway.account, jobChoices);
  return lastCode(gateway, opening(job), usage(call(job, choices)));
};

describe("a job-opened event", () => {
  test("in order is accepted", () => expect(openedWith({})).toBe("ok"));

  test("twice for one job is refused", () => {
    const gateway = new TestGateway();
    const job = openJob(gateway.account);
    expect(lastCode(gateway, opening(job), opening(job))).toBe("job_already_open");
  });

  test.each<[string, JobChoices]>([
    ["capability_job_id", { capability: { jobId: hex32() } }],
    ["quote_hash", { capability: { quoteHash: hex32() } }],
    ["quote_tenant", { quote: { tenant: account().address } }],
    ["quote_gateway", { quote: { gateway: account().address } }],
    ["quote_plan", { quote: { planHash: hex32() } }],
    ["quote_tariffs", { quote: { tariffsHash: hex32() } }],
    ["quote_steps", { quote: { ceilingNano: 1n } }],
    ["quote_signature", { quoteSigner: account() }],
  ])("is refused as %s", (code, choices) => expect(openedWith(choices)).toBe(code));
});

describe("a usage event", () => {
  test("in order is accepted, countersigned or not", () => {
    expect(calledWith({})).toBe("ok");
    expect(calledWith({ report: {} })).toBe("ok");
    expect(calledWith({ report: {} }, { countersigned: true })).toBe("ok");
  });

  test("of a job the feed did not open before is refused", () => {
    const gateway = new TestGateway();
    expect(lastCode(gateway, usage(call(openJob(gateway.account))))).toBe("unknown_job");
  });

  test.each<[string, CallChoices]>([
    ["receipt_gateway", { receipt: { gateway: account().address } }],
    ["receipt_signature", { receiptSigner: account() }],
    ["receipt_time", { receipt: { occurredAtMs: BigInt(Date.now() + 120_000) } }],
    ["capability_mismatch", { receipt: { capabilityHash: hex32() } }],
    ["capability_not_yet_valid", { receipt: { occurredAtMs: BigInt(Date.now() - 700_000) } }],
    ["tariff_not_quoted", { receipt: { tariffHash: hex32() } }],
    ["tariff_not_quoted", { receipt: { providerId: 2 } }],
    ["tariff_model", { receipt: { modelHash: hex32() } }],
    ["price_mismatch", { receipt: { costNano: 20_001n } }],
    ["price_mismatch", { receipt: { costNano: 19_999n } }],
    ["price_mismatch", { receipt: { outputTokens: 6n } }],
    ["proof_malformed", { rawProof: "eyJ9.eyJ9.AAAA" }],
    ["proof_holder", { proofKey: HolderKey.generate().privateKey }],
    ["proof_request", { proof: { method: "GET" } }],
    ["proof_request", { hasNonce: false }],
    ["proof_request", { proof: { url: "https://127.0.0.1:8443/v1/jobs/close" } }],
    ["proof_token", { proof: { usageAuth: "another.token" } }],
    ["proof_body", { proof: { body: "another body" } }],
    ["proof_body", { receipt: { requestHash: hex32() } }],
    ["proof_time", { proof: { nowSeconds: seconds(-3_700) } }],
    ["proof_time", { proof: { nowSeconds: seconds(120) } }],
    ["proof_hash", { receipt: { proofHash: hex32() } }],
    ["receipt_id", { receipt: { receiptId: hex32() } }],
    ["over_max_cost", { proof: { maxCostNano: 19_999n } }],
    ["countersignature_missing", { receipt: { countersigned: true } }],
    ["countersignature_mismatch", { report: { outputTokens: 4n } }],
    ["countersignature_mismatch", { report: { receiptId: hex32() } }],
  ])("with one thing wrong is refused as %s", (code, choices) => expect(calledWith(choices)).toBe(code));

  test.each<[string, CallChoices, JobChoices]>([
    ["capability_expired", {}, { capability: { expiresAt: BigInt(seconds(-5)) } }],
    ["proof_binding", {}, { binding: Capability.BINDING_EXPORTER }],
    ["ok", { proof: { exporter: Buffer.alloc(32, 1) } }, { binding: Capability.BINDING_EXPORTER }],
    ["countersignature_required", {}, { countersigned: true }],
    ["token_capability", {}, { token: { capabilityHash: hex32() } }],
    ["token_capability", {}, { token: { jobId: hex32() } }],
    ["token_capability", {}, { token: { jwk: HolderKey.generate().jwk } }],
    ["token_capability", {}, { token: { countersigned: true } }],
    ["token_provider", {}, { token: { providers: [2] } }],
    ["token_model", {}, { token: { models: ["embed-small"] } }],
    [
      "token_invalid",
      {},
      { token: { expiresAt: seconds(-300), notBefore: seconds(-900), issuedAt: seconds(-900) } },
    ],
  ])("is judged %s by its job's terms", (code, choices, job) => expect(calledWith(choices, job)).toBe(code));

  test("with a token of another gateway is refused", () => {
    const gateway = new TestGateway();
    const job = openJob(gateway.account);
    const elsewhere = openJob(account());
    const foreign = call(job, { usageAuth: elsewhere.usageAuth });
    expect(lastCode(gateway, opening(job), usage(foreign))).toBe("token_invalid");
  });

  test("with the receipt id of another call, another job or another gateway is refused", () => {
    const gateway = new TestGateway();
    const [job, otherJob, elsewhere] = [gateway.account, gateway.account, account()].map((own) =>
      openJob(own),
    );
    if (!job || !otherJob || !elsewhere) throw new Error("three jobs were opened");
    const proof = { idempotencyKey: "the same" };
    const ids = [
      call(job, { proof: { idempotencyKey: "another" } }),
      call(job),
      call(otherJob, { proof }),
      call({ ...job, gateway: elsewhere.gateway }, { proof }),
    ].map(({ receipt }) => receipt.receiptId);
    for (const receiptId of ids)
      expect(lastCode(gateway, opening(job), usage(call(job, { proof, receipt: { receiptId } })))).toBe(
        "receipt_id",
      );
    expect(lastCode(gateway, opening(job), usage(call(job, { proof })))).toBe("ok");
  });

  test("with a proof whose signature is another's is refused", () => {
    const gateway = new TestGateway();
    const job = openJob(gateway.account);
    const good = call(job);
    const other = call(job);
    const [header, payload] = good.proof.split(".");
    const forged = `${header}.${payload}.${other.proof.split(".")[2]}`;
    expect(DpopProof.proofHash(forged)).toBe(good.receipt.proofHash);
    expect(lastCode(gateway, opening(job), usage({ ...good, proof: forged }))).toBe("proof_signature");
  });
});

describe("a job-closed event", () => {
  const closedWith = (proof: Partial<DpopProof.CreateInput>) => {
    const gateway = new TestGateway();
    const job = openJob(gateway.account);
    return lastCode(gateway, opening(job), closing(closeJob(job, proof)));
  };

  test("signed by the holder is accepted", () => expect(closedWith({})).toBe("ok"));
  test("by which the holder revoked its own capability is accepted", () =>
    expect(closedWith({ url: "https://127.0.0.1:8443/v1/revocations" })).toBe("ok"));
  test("that is a proof for a call is refused", () =>
    expect(closedWith({ url: "https://127.0.0.1:8443/v1/execute" })).toBe("proof_request"));
  test("of another method is refused", () => expect(closedWith({ method: "GET" })).toBe("proof_request"));
  test("made up by the gateway is refused", () => {
    const gateway = new TestGateway();
    const job = openJob(gateway.account);
    const stranger = { ...job, holder: HolderKey.generate() };
    expect(lastCode(gateway, opening(job), closing(closeJob(stranger)))).toBe("proof_holder");
  });
});
