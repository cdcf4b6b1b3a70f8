/** When and for how long replicas lead one batch of a lane. */
export type ScheduleInput = {
  /** When the lane's previous window ended, Unix ms. */
  lastWindowEndMs: bigint;
  windowMs: bigint;
  leaderTimeoutMs: bigint;
};

/** The replica (1-based) that leads a batch in a view: batchNumber + view, modulo the number of replicas. */
export const leaderOf = (batchNumber: bigint, view: bigint, replicaCount: number): number =>
  Number((batchNumber + view) % BigInt(replicaCount)) + 1;

/** When view 0 begins, Unix ms: a window after the last one ended. */
export const dueAtMs = ({ lastWindowEndMs, windowMs }: ScheduleInput): bigint => lastWindowEndMs + windowMs;

/**
 * The view at a time; -1 before the first. It depends on the chain's last window and the clock alone, so replicas agree
 * on it without a message, also after a restart, and no gateway can shift it for some of them.
 */
export const viewAt = (schedule: ScheduleInput, nowMs: bigint): bigint => {
  const due = dueAtMs(schedule);
  return nowMs < due ? -1n : (nowMs - due) / schedule.leaderTimeoutMs;
};

/** When a view begins, Unix ms. */
export const viewStartMs = (schedule: ScheduleInput, view: bigint): bigint =>
  dueAtMs(schedule) + view * schedule.leaderTimeoutMs;
