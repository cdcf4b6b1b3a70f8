import { type Logger, type Loop, startLoop } from "@tac/kit";
import type { ChainPort } from "../chain/ChainPort.ts";
import type { ReleaseStore, ReleaseTask } from "./ReleaseStore.ts";
import { releaseStep } from "./releaseStep.ts";

const INTERVAL_MS = 60_000;
/** A block that old is not reorganised away any more. */
const SECOND_LOOK_MS = 900_000;

export type ReleaseSettings = {
  /** The most locks looked at in a minute, and so the most transactions; 0: none. */
  perMinute: number;
  /** Seconds that a lock waits beyond its expiry and grace. */
  marginSeconds: number;
};

type Deps = {
  store: ReleaseStore;
  chain: Pick<ChainPort, "lockRelease" | "submitRelease">;
  logger: Logger;
  onReleased: () => void;
  settings: ReleaseSettings;
};

/**
 * Gives back what is left in locks that nobody closed or settled to their end: anybody may release them on chain once
 * their grace is over, and this asks nobody. Tasks are in the store, so they survive any process and no two replicas
 * work on the same; that somebody else was quicker is no error.
 */
export class LockKeeper {
  readonly #deps: Deps;
  #loop: Loop | null = null;

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  start(): void {
    const { logger, settings } = this.#deps;
    if (settings.perMinute === 0) return;
    const onError = (error: unknown): void => logger.warn({ err: error }, "expired locks could not be read");
    this.#loop = startLoop({ idleMs: INTERVAL_MS, onError }, async (signal) => {
      await this.work(signal);
      return false;
    });
  }

  async stop(): Promise<void> {
    await this.#loop?.stop();
  }

  /** Does what is due once, within the bound of a minute. Returns how many locks it looked at. */
  async work(signal?: AbortSignal): Promise<number> {
    const { store, logger, settings } = this.#deps;
    await store.enrol(settings.perMinute);
    const tasks = await store.take(settings.perMinute);
    for (const task of tasks) {
      if (signal?.aborted) break;
      await this.#look(task).catch((error: unknown) => {
        logger.warn({ err: error, jobId: task.jobId }, "an expired lock could not be released");
      });
    }
    return tasks.length;
  }

  async #look(task: ReleaseTask): Promise<void> {
    const { store, chain, settings } = this.#deps;
    const lock = await chain.lockRelease(task.jobId);
    const step = releaseStep(lock, task, settings.marginSeconds);
    if (step.kind === "wait") return store.putOff(task.jobId, (step.untilSeconds - lock.nowSeconds) * 1000);
    if (step.kind === "release") await this.#release(task);
    else if (task.isSeenClosed) return store.end(task.jobId);
    await store.sawClosed(task.jobId, SECOND_LOOK_MS);
  }

  async #release({ jobId, isSeenClosed }: ReleaseTask): Promise<void> {
    const { chain, logger, onReleased } = this.#deps;
    if (isSeenClosed) logger.warn({ jobId }, "a release was undone by a reorganisation and is made again");
    const released = await chain.submitRelease(jobId);
    if (released === null) return;
    onReleased();
    const { transactionHash, releasedNano } = released;
    logger.info(
      { jobId, transactionHash, releasedNano: releasedNano.toString() },
      "an expired lock was released",
    );
  }
}
