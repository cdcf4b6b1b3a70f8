import { type Feed, isFull, type SettleFacts, type SettleLimits, type Settlement, settle } from "./settle.ts";

/**
 * How long before the window's end an event must have been recorded to be refused for what a later block may cure. The
 * window ends no later than the pinned block, so the chain has had this time, however far behind its head that is.
 */
const CURABLE_MS = 30_000n;
/** So long a gateway with too much to settle may hold up the others, before all take turns whatever is late by that. */
const MOST_LAG_MS = 600_000n;

export type Window = {
  /** Unix ms. */
  startMs: bigint;
  /** Unix ms, exclusive. */
  endMs: bigint;
  maxReceipts: number;
  maxLines: number;
};

/**
 * Settles a window, which ends earlier where the batch is full: at the first event that finds no room, so that the next
 * window, and not one that begins later, holds it. The chain pays for no window that begins too long after a revocation.
 * What was recorded before the window is late as it is, and takes its turn. A window never ends where it would be empty.
 */
export const settleWindow = (
  feeds: readonly Feed[],
  facts: SettleFacts,
  window: Window,
): { settlement: Settlement; endMs: bigint } => {
  const whole = { settlement: settle(feeds, facts, limitsOf(window)), endMs: window.endMs };
  if (!isFull(whole.settlement)) return whole;
  const endMs = firstLeftOutMs(feeds, facts, window, whole.settlement);
  if (endMs === null || window.endMs - endMs > MOST_LAG_MS) return whole;
  const settlement = settle(feeds, facts, limitsOf({ ...window, endMs }));
  return settlement.accepted.length === 0 && settlement.finalJobs.size === 0 ? whole : { settlement, endMs };
};

const limitsOf = ({ endMs, maxReceipts, maxLines }: Window): SettleLimits => ({
  windowEndMs: endMs,
  maxReceipts,
  maxLines,
  curableAfterMs: endMs - CURABLE_MS,
});

/** When the first event of the window was recorded that finds no room, were they all taken in the order of their times. */
const firstLeftOutMs = (
  feeds: readonly Feed[],
  facts: SettleFacts,
  window: Window,
  inTurn: Settlement,
): bigint | null => {
  const limits = limitsOf(window);
  const { progress } = settle(feeds, facts, { ...limits, maxReceipts: Infinity, maxLines: Infinity });
  const byTime = feeds
    .flatMap(({ events }, index) => events.filter(({ seq }) => seq <= (progress[index]?.toSeq ?? 0n)))
    .sort((left, right) => Number(left.recordedAtMs - right.recordedAtMs));
  // What may still be cured was left out above already.
  const merged = feeds.slice(0, 1).map((feed) => ({ ...feed, events: byTime }));
  const [taken] = settle(merged, facts, { ...limits, curableAfterMs: window.endMs }).progress;
  const leftOut = byTime[byTime.findIndex(({ hash }) => hash === taken?.toHash) + 1];
  if (leftOut !== undefined && leftOut.recordedAtMs > window.startMs) return leftOut.recordedAtMs;
  const notInTurn = byTime.filter(
    ({ gateway, seq, recordedAtMs }) =>
      recordedAtMs > window.startMs &&
      seq > (inTurn.progress.find((end) => end.gateway === gateway)?.toSeq ?? 0n),
  );
  return notInTurn[0]?.recordedAtMs ?? null;
};
