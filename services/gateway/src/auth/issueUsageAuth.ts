import { randomBytes } from "node:crypto";
import { UsageAuth } from "@tac/protocol";
import type { Hex } from "viem";
import { type Job, type JobState, modelsOf, providersOf } from "../jobs/Job.ts";
import { hexOf } from "../ledger/bytes.ts";

/** A fresh token for a job's holder; it never outlives the capability. `expiresAt` is in Unix seconds. */
export function issueUsageAuth(
  job: Job,
  state: JobState,
  {
    lifetimeSeconds,
    nowSeconds,
    privateKey,
  }: { lifetimeSeconds: number; nowSeconds: number; privateKey: Hex },
): { usageAuth: string; expiresAt: number } {
  const { capability } = job;
  const expiresAt = Math.min(nowSeconds + lifetimeSeconds, Number(capability.expiresAt));
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
      remainingNano: state.lockedNano - state.spentNano - state.heldNano,
      binding: capability.binding,
      countersigned: capability.countersigned,
    },
    privateKey,
  );
  return { usageAuth, expiresAt };
}
