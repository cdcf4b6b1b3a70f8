/** Whose turn it is for one batch of a lane. */
export type Turn = { view: bigint; leader: number; leaderSinceMs: bigint };

export type ScheduleInput = {
  batchNumber: bigint;
  replicaCount: number;
  /** When the lane's previous window ended, Unix ms. */
  lastWindowEndMs: bigint;
  /** `recordedAtMs` of the oldest event no batch covers yet. */
  oldestPendingMs: bigint;
  windowMs: bigint;
  leaderTimeoutMs: bigint;
};

/** The replica (1-based) that leads a batch in a view: batchNumber + view, modulo the number of replicas. */
export const leaderOf = (batchNumber: bigint, view: bigint, replicaCount: number): number =>
  Number((batchNumber + view) % BigInt(replicaCount)) + 1;

/**
 * When the batch falls due, Unix ms. It depends only on facts all replicas share, the chain's last window and the feed,
 * so replicas agree on the view without a message, also after a restart.
 */
export const dueAtMs = ({ lastWindowEndMs, oldestPendingMs, windowMs }: ScheduleInput): bigint => {
  const afterWindow = lastWindowEndMs + windowMs;
  return afterWindow > oldestPendingMs ? afterWindow : oldestPendingMs;
};

/** The turn at a time, or null while the batch is not due. Each view lasts `leaderTimeoutMs`. */
export const turnAt = (schedule: ScheduleInput, nowMs: bigint): Turn | null => {
  const due = dueAtMs(schedule);
  if (nowMs < due) return null;
  const view = (nowMs - due) / schedule.leaderTimeoutMs;
  return {
    view,
    leader: leaderOf(schedule.batchNumber, view, schedule.replicaCount),
    leaderSinceMs: due + view * schedule.leaderTimeoutMs,
  };
};

/** Clocks and feeds differ a little: a proposal may be one view ahead of ours, never behind one we already answered. */
export const acceptsView = (
  proposed: bigint,
  own: { currentView: bigint; highestAnsweredView: bigint | null },
): boolean =>
  proposed <= own.currentView + 1n &&
  (own.highestAnsweredView === null || proposed >= own.highestAnsweredView);
