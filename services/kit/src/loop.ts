import { setTimeout as sleep } from "node:timers/promises";

export type Loop = { stop(): Promise<void> };

/** Short, because what such loops ask is near or cheap to ask, and every second counts for settlement. */
const MAX_BACKOFF_MS = 2_000;

/**
 * Repeats a step until stopped, waiting `idleMs` between steps, or not at all when the step returns true for more work.
 * A step that fails is reported and tried again after the same wait, or a longer one that doubles up to two seconds.
 * The signal says to a long step that it should end; `stop` waits for it.
 */
export const startLoop = (
  { idleMs, onError }: { idleMs: number; onError: (error: unknown) => void },
  step: (signal: AbortSignal) => Promise<boolean>,
): Loop => {
  const controller = new AbortController();
  const pause = async (ms: number): Promise<void> => {
    await sleep(ms, undefined, { signal: controller.signal }).catch((error: Error) => {
      if (error.name !== "AbortError") throw error;
    });
  };
  const run = async (): Promise<void> => {
    let backoffMs = idleMs;
    while (!controller.signal.aborted) {
      try {
        const hasMore = await step(controller.signal);
        backoffMs = idleMs;
        if (!hasMore) await pause(idleMs);
      } catch (error) {
        onError(error);
        await pause(Math.max(idleMs, backoffMs));
        backoffMs = Math.min(MAX_BACKOFF_MS, Math.max(100, backoffMs * 2));
      }
    }
  };
  const done = run();
  return {
    stop: async () => {
      controller.abort();
      await done;
    },
  };
};
