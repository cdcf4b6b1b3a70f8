import { setTimeout as sleep } from "node:timers/promises";
import { openTenant, runPlan } from "../e2e/support.ts";
import type { Stack } from "../stack/Stack.ts";

/** Whole jobs, one after the other: quoted, locked, run, closed, and settled in the background. */
export type Traffic = {
  settledCount: () => number;
  failures: () => readonly string[];
  /** Waits until a job that began after now has settled. Errors: an Error when none has in time. */
  settlesNow: (timeoutMs?: number) => Promise<void>;
  /** Lets all jobs settle, and begins none while the work goes on: for what an operator announces. */
  pauseWhile: <Result>(work: () => Promise<Result>) => Promise<Result>;
  /** Begins no further job, and waits for those under way. */
  stop: () => Promise<void>;
};

const SETTLEMENT_MS = 240_000;
const BETWEEN_JOBS_MS = 1_500;

export const startTraffic = async (stack: Stack): Promise<Traffic> => {
  const { credits } = await openTenant(stack);
  const failures: string[] = [];
  const settlements = new Set<Promise<void>>();
  let settledCount = 0;
  let latestBegin = 0;
  let isStopped = false;
  let isPaused = false;
  let isWorking = false;

  const work = async (): Promise<void> => {
    const beganAt = Date.now();
    const { job } = await runPlan(credits);
    await credits.close(job);
    const settlement = credits
      .settlement(job, { timeoutMs: SETTLEMENT_MS })
      .then(() => {
        settledCount += 1;
        latestBegin = Math.max(latestBegin, beganAt);
      })
      .catch((error: unknown) => void failures.push(String(error)))
      .finally(() => settlements.delete(settlement));
    settlements.add(settlement);
  };
  const working = (async () => {
    for (; !isStopped; await sleep(BETWEEN_JOBS_MS)) {
      if (isPaused) continue;
      isWorking = true;
      await work().catch((error: unknown) => failures.push(String(error)));
      isWorking = false;
    }
  })();
  return {
    settledCount: () => settledCount,
    failures: () => failures,
    settlesNow: async (timeoutMs = 120_000) => {
      const from = Date.now();
      while (latestBegin < from) {
        if (Date.now() > from + timeoutMs) throw new Error(`no job settled within ${timeoutMs / 1_000} s`);
        await sleep(200);
      }
    },
    pauseWhile: async (pausedWork) => {
      isPaused = true;
      try {
        while (isWorking) await sleep(50);
        await Promise.all(settlements);
        return await pausedWork();
      } finally {
        isPaused = false;
      }
    },
    stop: async () => {
      isStopped = true;
      await working;
      await Promise.all(settlements);
      await credits.shutdown();
    },
  };
};
