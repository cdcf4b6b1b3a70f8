import { Worker } from "node:worker_threads";

/** Monotonic nanoseconds, the same in every thread of a process. */
export const nowNs = (): bigint => process.hrtime.bigint();

/**
 * Runs `fire(index)` for each of `count` calls at its time: `startNs` plus `index` intervals, whatever earlier calls do.
 * A thread that sleeps keeps the time, because a timer of the event loop is late by up to a millisecond.
 */
export const pace = async (
  { startNs, intervalNs, count }: { startNs: bigint; intervalNs: number; count: number },
  fire: (index: number) => void,
): Promise<void> => {
  const clock = new Worker(new URL("./clock.mjs", import.meta.url), {
    workerData: { startNs, intervalNs, count },
    execArgv: [],
  });
  let fired = 0;
  await new Promise<void>((resolve, reject) => {
    clock.on("message", (due: number) => {
      for (; fired < due; fired += 1) fire(fired);
      if (fired === count) resolve();
    });
    clock.on("error", reject);
  });
  await clock.terminate();
};
