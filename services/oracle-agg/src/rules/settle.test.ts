import type { FeedEvent } from "@tac/protocol";
import { describe, expect, test } from "vitest";
import { orderlyFacts, toCandidates, validateFeed } from "../../test/support/judge.ts";
import { TestGateway } from "../../test/support/TestGateway.ts";
import { account, call, closeJob, hex32, openJob, type TestJob } from "../../test/support/World.ts";
import { type JobFacts, type SettleFacts, type SettleLimits, settle } from "./settle.ts";
import type { RejectionCode } from "./Verdict.ts";

const lenient = (): SettleLimits => ({
  windowEndMs: BigInt(Date.now() + 60_000),
  maxReceipts: 100,
  maxLines: 100,
  curableAfterMs: BigInt(Date.now() + 60_000),
});

const gatewayWith = (job: (gateway: TestGateway) => TestJob = (gateway) => openJob(gateway.account)) => {
  const gateway = new TestGateway();
  return { gateway, job: job(gateway) };
};

const settleFeed = (
  gateway: TestGateway,
  bodies: FeedEvent.FeedBody[],
  facts: SettleFacts,
  limits: Partial<SettleLimits> = {},
) => {
  const events = toCandidates(validateFeed(gateway, ...bodies).judged);
  const fromHash = gateway.events.at(-events.length)?.previousHash ?? "0x";
  const feed = { gateway: gateway.account.address, fromSeq: (events[0]?.seq ?? 1n) - 1n, fromHash, events };
  return settle([feed], facts, { ...lenient(), ...limits });
};

const opening = (job: TestJob): FeedEvent.FeedBody => ({ kind: "job-opened", body: job.opened });
const usage = (body: FeedEvent.Usage): FeedEvent.FeedBody => ({ kind: "usage", body });
const closing = (job: TestJob): FeedEvent.FeedBody => ({ kind: "job-closed", body: closeJob(job) });

/** The code for one countersigned call under facts that differ from orderly ones in one respect. */
const codeUnder = (
  change: (gateway: TestGateway, job: TestJob) => Partial<SettleFacts>,
  changeJob: Partial<JobFacts> = {},
) => {
  const { gateway, job } = gatewayWith();
  const facts = orderlyFacts(gateway, [job], change(gateway, job), changeJob);
  const { accepted, refused } = settleFeed(gateway, [opening(job), usage(call(job, { report: {} }))], facts);
  return accepted.length === 1 ? "ok" : refused.at(-1)?.code;
};

describe("what the chain says at the pinned block", () => {
  test("an orderly call is accepted", () => expect(codeUnder(() => ({}))).toBe("ok"));

  test.each<[RejectionCode, Partial<SettleFacts>]>([
    ["gateway_not_enrolled", { gatewayTerms: new Map() }],
    ["tariff_not_published", { publishedTariffs: new Set() }],
    ["countersigner", { signingKeys: new Map([[1, account().address]]) }],
    ["countersigner", { signingKeys: new Map([[1, null]]) }],
  ])("%s", (code, change) => expect(codeUnder(() => change)).toBe(code));

  test("a gateway is judged by its term at the time of the call", () => {
    const now = BigInt(Math.floor(Date.now() / 1000));
    const term = (enrolledAt: bigint, removedAt: bigint) =>
      codeUnder((gateway) => ({
        gatewayTerms: new Map([[gateway.account.address, { enrolledAt, removedAt }]]),
      }));
    expect(term(now + 120n, 0n)).toBe("gateway_not_enrolled");
    expect(term(1n, now - 1n)).toBe("gateway_not_enrolled");
    expect(term(1n, now + 60n)).toBe("ok");
  });

  test.each<[RejectionCode | "ok", Partial<JobFacts>]>([
    ["lock_missing", { lockedCapabilityHash: null }],
    ["lock_mismatch", { lockedCapabilityHash: hex32() }],
    [
      "lock_not_open",
      { lock: { state: "closed", tenant: "0x", maxSpendNano: 10_000_000n, remainingNano: 0n } },
    ],
    ["capability_signature", { isTenantSigned: false }],
    ["capability_revoked", { revokedAt: 1n }],
    ["ok", { revokedAt: BigInt(Math.floor(Date.now() / 1000) + 60) }],
    ["over_lock", { settledNano: 9_990_000n }],
    ["ok", { settledNano: 9_980_000n }],
  ])("%s", (code, changeJob) => {
    const { gateway, job } = gatewayWith();
    const lock = changeJob.lock && { ...changeJob.lock, tenant: job.capability.tenant };
    const facts = orderlyFacts(gateway, [job], {}, { ...changeJob, ...(lock ? { lock } : {}) });
    const { accepted, refused } = settleFeed(gateway, [opening(job), usage(call(job))], facts);
    expect(accepted.length === 1 ? "ok" : refused.at(-1)?.code).toBe(code);
  });
});

describe("a revoked capability", () => {
  const revokedAt = BigInt(Math.floor(Date.now() / 1000));
  const at = (job: TestJob, occurredAtMs: bigint) => usage(call(job, { receipt: { occurredAtMs } }));

  test("settles what was called before the revocation, and nothing from then on, in whatever order it comes", () => {
    const { gateway, job } = gatewayWith();
    const bodies = [
      opening(job),
      at(job, revokedAt * 1000n - 1n),
      at(job, revokedAt * 1000n),
      at(job, revokedAt * 1000n + 5_000n),
      at(job, revokedAt * 1000n - 5_000n),
    ];
    const facts = orderlyFacts(gateway, [job], {}, { revokedAt });
    const { accepted, refused } = settleFeed(gateway, bodies, facts);
    expect(accepted.map(({ receipt }) => receipt.occurredAtMs - revokedAt * 1000n)).toEqual([-1n, -5_000n]);
    expect(refused.map(({ code }) => code)).toEqual(["capability_revoked", "capability_revoked"]);
  });

  test("takes no other job of its tenant along", () => {
    const gateway = new TestGateway();
    const [revoked, other] = [openJob(gateway.account), openJob(gateway.account)];
    const facts = orderlyFacts(gateway, [revoked, other]);
    const jobs = new Map(
      [...facts.jobs].map(([key, fact]) => [
        key,
        fact.job.jobId === revoked.capability.jobId ? { ...fact, revokedAt } : fact,
      ]),
    );
    const bodies = [
      opening(revoked),
      opening(other),
      ...[revoked, other].map((job) => at(job, revokedAt * 1000n)),
    ];
    const { accepted } = settleFeed(gateway, bodies, { ...facts, jobs });
    expect(accepted.map(({ jobId }) => jobId)).toEqual([other.capability.jobId]);
  });
});

describe("what was accepted before", () => {
  test("one call counts once, whatever proofs there are of it, in this batch and in earlier ones", () => {
    const { gateway, job } = gatewayWith();
    const retried = { proof: { idempotencyKey: "one-call" } };
    const first = call(job, retried);
    const again = call(job, retried);
    expect(again.receipt.proofHash).not.toBe(first.receipt.proofHash);
    const bodies = [opening(job), usage(first), usage(again)];
    const { accepted, refused } = settleFeed(gateway, bodies, orderlyFacts(gateway, [job]));
    expect(accepted).toHaveLength(1);
    expect(refused.map(({ code }) => code)).toEqual(["duplicate_receipt"]);
    expect(
      codeUnder((_gateway, known) => ({ knownReceiptIds: new Set([call(known).receipt.receiptId]) })),
    ).toBe("ok");
    const known = orderlyFacts(gateway, [job], { knownReceiptIds: new Set([first.receipt.receiptId]) });
    expect(settleFeed(gateway, bodies, known).refused.map(({ code }) => code)).toEqual([
      "duplicate_receipt",
      "duplicate_receipt",
    ]);
  });

  test("a proof backs one receipt only, in this batch and in earlier ones", () => {
    const { gateway, job } = gatewayWith();
    const first = call(job);
    const again = call(job, { rawProof: first.proof, receipt: { requestHash: first.receipt.requestHash } });
    const bodies = [opening(job), usage(first), usage(again)];
    const { accepted, refused } = settleFeed(gateway, bodies, orderlyFacts(gateway, [job]));
    expect(accepted.map(({ receipt }) => receipt.receiptId)).toEqual([first.receipt.receiptId]);
    expect(refused.map(({ code }) => code)).toEqual(["proof_reused"]);
    const known = orderlyFacts(gateway, [job], { knownProofHashes: new Set([first.receipt.proofHash]) });
    expect(settleFeed(gateway, bodies, known).refused.map(({ code }) => code)).toEqual([
      "proof_reused",
      "proof_reused",
    ]);
  });

  test("a lock for exactly k calls admits exactly k", () => {
    const { gateway, job } = gatewayWith((own) => openJob(own.account, { maxSpendNano: 60_000n }));
    const calls = [1, 2, 3, 4, 5].map(() => usage(call(job)));
    const { accepted, refused } = settleFeed(gateway, [opening(job), ...calls], orderlyFacts(gateway, [job]));
    expect(accepted).toHaveLength(3);
    expect(refused.map(({ code }) => code)).toEqual(["over_lock", "over_lock"]);
  });

  test("a call recorded after the job was closed is refused, and so is a second close", () => {
    const { gateway, job } = gatewayWith();
    const bodies = [opening(job), usage(call(job)), closing(job), usage(call(job)), closing(job)];
    const result = settleFeed(gateway, bodies, orderlyFacts(gateway, [job]));
    expect(result.accepted).toHaveLength(1);
    expect(result.refused.map(({ code }) => code)).toEqual(["job_closed", "job_closed"]);
    expect([...result.finalJobs]).toEqual([[job.capability.jobId, 1]]);
  });
});

describe("where a range ends", () => {
  test("before the first event that does not fit the limits", () => {
    const { gateway, job } = gatewayWith();
    const bodies = [opening(job), usage(call(job)), usage(call(job, { providerId: 2 })), usage(call(job))];
    const facts = orderlyFacts(gateway, [job]);
    const byReceipts = settleFeed(gateway, bodies, facts, { maxReceipts: 2 });
    expect([byReceipts.accepted.length, byReceipts.progress[0]?.stoppedBy]).toEqual([
      2,
      "the batch is full of receipts",
    ]);
    const byLines = settleFeed(gateway, bodies, facts, { maxLines: 1 });
    expect([byLines.accepted.length, byLines.progress[0]?.stoppedBy]).toEqual([
      1,
      "the batch is full of lines",
    ]);
    expect(byLines.progress[0]?.toHash).toBe(gateway.events.at(-3)?.hash);
  });

  test("before the window's end", () => {
    const { gateway, job } = gatewayWith();
    const result = settleFeed(gateway, [opening(job)], orderlyFacts(gateway, [job]), { windowEndMs: 1_000n });
    expect(result.progress[0]).toMatchObject({
      toSeq: 0n,
      stoppedBy: "the next event belongs to a later window",
    });
  });

  test("before a young event whose lock the chain does not show yet; an old one is refused for good", () => {
    const { gateway, job } = gatewayWith();
    const facts = orderlyFacts(gateway, [job], {}, { lockedCapabilityHash: null });
    const bodies = [opening(job), usage(call(job))];
    const young = settleFeed(gateway, bodies, facts, { curableAfterMs: BigInt(Date.now() - 30_000) });
    expect(young.progress[0]).toMatchObject({
      toSeq: 0n,
      stoppedBy: "the chain may still cure lock_missing",
    });
    const old = settleFeed(gateway, bodies, facts, { curableAfterMs: BigInt(Date.now() + 1_000) });
    expect(old.refused.map(({ code }) => code)).toEqual(["lock_missing", "lock_missing"]);
  });
});
