import { Capability, type FeedEvent, Tariff, UsageReceipt } from "@tac/protocol";
import type { Hex } from "viem";
import { type Job, jobKey } from "../../src/rules/Job.ts";
import type { Candidate, JobFacts, SettleFacts } from "../../src/rules/settle.ts";
import { TokenCache } from "../../src/rules/TokenCache.ts";
import type { RejectionCode } from "../../src/rules/Verdict.ts";
import { jobIdOf, tariffNeeded, type Validated, validateEvent } from "../../src/rules/validateEvent.ts";
import type { TestGateway } from "./TestGateway.ts";
import { domains, providerKeys, type TestJob, tariffSigner, tariffs } from "./World.ts";

/** A feed of these bodies, validated event by event as a replica does when it pulls. */
export const validateFeed = (gateway: TestGateway, ...bodies: FeedEvent.FeedBody[]) => {
  const before = gateway.events.length;
  gateway.record(...bodies);
  const jobs = new Map<Hex, Job>();
  const tokens = new TokenCache();
  const judged: { event: FeedEvent.FeedEvent; verdict: Validated }[] = [];
  for (const event of gateway.events.slice(before)) {
    const job = jobs.get(jobIdOf(event)) ?? null;
    const needed = tariffNeeded(event, job);
    const tariff = tariffs.find((one) => Tariff.hash(one) === needed) ?? null;
    const verdict = validateEvent(event, {
      domains,
      tariffSigners: new Set([tariffSigner.address]),
      job,
      tariff,
      origins: null,
      tokens,
    });
    if (verdict.opened !== undefined) jobs.set(verdict.opened.jobId, verdict.opened);
    judged.push({ event, verdict });
  }
  return { judged, jobs };
};

/** The code the last of these bodies is refused for, or "ok". */
export const lastCode = (gateway: TestGateway, ...bodies: FeedEvent.FeedBody[]): RejectionCode | "ok" => {
  const verdict = validateFeed(gateway, ...bodies).judged.at(-1)?.verdict;
  if (verdict === undefined) throw new Error("nothing was judged");
  return verdict.ok ? "ok" : verdict.code;
};

export const toCandidates = (
  judged: readonly { event: FeedEvent.FeedEvent; verdict: Validated }[],
): Candidate[] =>
  judged.map(({ event, verdict }) => {
    const shared = {
      gateway: event.gateway,
      seq: event.seq,
      hash: event.hash,
      recordedAtMs: event.recordedAtMs,
      jobId: jobIdOf(event),
      refusal: verdict.ok ? null : { code: verdict.code, reason: verdict.reason },
    };
    if (event.kind !== "usage") return { ...shared, kind: event.kind };
    const { receipt } = event.body;
    return {
      ...shared,
      kind: "usage" as const,
      receipt: { ...receipt, leaf: UsageReceipt.leaf(receipt) },
      reportSigner: verdict.ok ? verdict.reportSigner : null,
    };
  });

/** What an orderly chain says: the gateway enrolled, each job locked, each tariff published. */
export const orderlyFacts = (
  gateway: TestGateway,
  jobs: readonly TestJob[],
  change: Partial<SettleFacts> = {},
  changeJob: Partial<JobFacts> = {},
): SettleFacts => ({
  gatewayTerms: new Map([[gateway.account.address, { enrolledAt: 1n, removedAt: 0n }]]),
  jobs: new Map(
    jobs.map((job) => [
      jobKey(gateway.account.address, job.capability.jobId),
      {
        job: {
          gateway: gateway.account.address,
          jobId: job.capability.jobId,
          openedSeq: 1n,
          capability: job.capability,
          capabilityHash: job.capabilityHash,
          capabilitySignature: job.opened.capabilitySignature,
          isEoaSigned: Capability.verifySignature(
            job.capability,
            job.opened.capabilitySignature,
            domains.capability,
          ),
          signedQuote: job.opened.signedQuote,
        },
        lock: {
          state: "open" as const,
          tenant: job.capability.tenant,
          maxSpendNano: job.capability.maxSpendNano,
          remainingNano: job.capability.maxSpendNano,
        },
        lockedCapabilityHash: job.capabilityHash,
        revokedAt: 0n,
        isTenantSigned: true,
        settledNano: 0n,
        ...changeJob,
      },
    ]),
  ),
  publishedTariffs: new Set(tariffs.map(Tariff.hash)),
  signingKeys: new Map([...providerKeys].map(([providerId, { address }]) => [providerId, address])),
  knownReceiptIds: new Set(),
  knownProofHashes: new Set(),
  ...change,
});
