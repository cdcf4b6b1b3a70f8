import { randomBytes } from "node:crypto";
import { UsageAuth } from "@tac/protocol";
import type { Hex } from "viem";
import { type Job, type JobState, modelsOf, providersOf } from "../jobs/Job.ts";
import { hexOf } from "../ledger/bytes.ts";

/**
 * A fresh token for a job's holder. It never outlives the capability, unless the job has ended: then there is nothing
 * left to spend with it. `expiresAt` is in Unix seconds.
 */
export function issueUsageAuth(
  job: Job,
  state: Pick<JobState, "lockedNano" | "spentNano" | "heldNano">,
  {
    lifetimeSeconds,
    nowSeconds,
    privateKey,
    hasEnded,
  }: { lifetimeSeconds: number; nowSeconds: number; privateKey: Hex; hasEnded: boolean },
): { usageAuth: string; expiresAt: number } {
  const { capability } = job;
  const latest = nowSeconds + lifetimeSeconds;
  const expiresAt = hasEnded ? latest : Math.min(latest, Number(capability.expiresAt));
  const usageAuth = UsageAuth.issue(
    {
      tenant: capability.tenant,
      expiresAt,
      notBefore: nowSeconds,
      issuedAt: nowSeconds,
      tokenId: hexOf(randomBytes(16)),
      jwk: job.jwk,
      capabilityHash: job.capabilityHash,
      jobId: job.jobId,
      providers: providersOf(job),
      models: modelsOf(job),
      remainingNano: hasEnded ? 0n : state.lockedNano - state.spentNano - state.heldNano,
      binding: capability.binding,
      countersigned: capability.countersigned,
    },
    privateKey,
  );
  return { usageAuth, expiresAt };
}

/** Refuses a job whose grants fit in no token, while nothing is locked for it yet. Errors: `invalid_request`. */
export function assertIssuable(
  job: Job,
  terms: { lifetimeSeconds: number; nowSeconds: number; privateKey: Hex },
): void {
  const untouched = { lockedNano: job.capability.maxSpendNano, spentNano: 0n, heldNano: 0n };
  issueUsageAuth(job, untouched, { ...terms, hasEnded: false });
}
