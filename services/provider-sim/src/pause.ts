import { setTimeout as sleep } from "node:timers/promises";

/** Waits, but not at all for zero, which would still cost a turn of the timer queue. */
export const pause = async (ms: number): Promise<void> => {
  if (ms > 0) await sleep(ms);
};
