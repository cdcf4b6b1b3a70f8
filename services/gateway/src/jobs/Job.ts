import type { Capability, ErrorCode, HolderKey, Quote, Tariff } from "@tac/protocol";
import type { Hex } from "viem";

/** What was signed for a job: it never changes, so it may be cached. Balances and status are read from the store. */
export type Job = {
  jobId: Hex;
  capabilityHash: Hex;
  capability: Capability.Capability;
  jwk: HolderKey.Jwk;
  signedQuote: Quote.SignedQuote;
  tariffs: ReadonlyMap<Hex, Tariff.Tariff>;
};

/** Balances and status of a job at one moment. Amounts in nanocredits. */
export type JobState = {
  jobId: Hex;
  status: "open" | "closed" | "settled";
  isRevoked: boolean;
  lockedNano: bigint;
  heldNano: bigint;
  spentNano: bigint;
  receiptCount: number;
  expiresAtMs: number;
};

/** Why a job admits no calls any more, or null while it does. */
export function endOf({ status, isRevoked, expiresAtMs }: JobState, nowMs: number): ErrorCode | null {
  if (isRevoked) return "capability_revoked";
  if (status !== "open") return "job_closed";
  return nowMs >= expiresAtMs ? "capability_expired" : null;
}

/** Distinct providers of the plan, ascending. */
export function providersOf(job: Job): number[] {
  return [...new Set(job.signedQuote.steps.map(({ providerId }) => providerId))].sort((a, b) => a - b);
}

/** Distinct models of the plan, ascending. */
export function modelsOf(job: Job): string[] {
  return [...new Set(job.signedQuote.steps.map(({ model }) => model))].sort();
}
