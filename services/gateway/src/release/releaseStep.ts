import type { LockRelease } from "../chain/ChainPort.ts";

/** What the gateway itself knows of a job's money, in nanocredits. */
export type JobMoney = { heldNano: bigint; spentNano: bigint };

export type ReleaseStep = { kind: "closed" } | { kind: "release" } | { kind: "wait"; untilSeconds: number };

/** How much longer a lock waits whose charges the chain has not paid: its release would leave them unpaid for good. */
export const UNPAID_WAIT_SECONDS = 86_400;

/**
 * What to do about a lock now, by the chain's own clock. The margin keeps a release away from a batch that is on its way
 * when the grace ends. Charges that aggregators refuse are never paid, so waiting for them has an end.
 */
export function releaseStep(lock: LockRelease, job: JobMoney, marginSeconds: number): ReleaseStep {
  if (lock.state !== "open") return { kind: "closed" };
  const isPaid = job.heldNano === 0n && lock.paidNano >= job.spentNano;
  const untilSeconds = lock.releasableAtSeconds + marginSeconds + (isPaid ? 0 : UNPAID_WAIT_SECONDS);
  return lock.nowSeconds < untilSeconds ? { kind: "wait", untilSeconds } : { kind: "release" };
}
