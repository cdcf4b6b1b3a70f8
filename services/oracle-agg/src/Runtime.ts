import { type Logger, startLoop } from "@tac/kit";
import type { Replica } from "./replica.ts";

/** What the replica still lacks; the name is what /healthz shows. */
export class Waiting extends Error {
  constructor(what: "WaitingForKey" | "WaitingForDeployment" | "Starting" | "WaitingForLaneKey") {
    super(what);
    this.name = what;
  }
}

export type RuntimeOptions = {
  /** Starts the replica, or rejects with Waiting. */
  start: () => Promise<Replica>;
  logger: Logger;
  pollMs?: number;
};

export type Runtime = {
  /** The running replica. Throws Waiting, or the error of the last attempt to start. */
  replica(): Replica;
  /** Stops the replica and starts it again, because it is to run with another key. */
  renew(): void;
  stop(): Promise<void>;
};

/** A replica starts with neither key nor deployment, and goes on by itself when both are there. */
export const createRuntime = ({ start, logger, pollMs = 500 }: RuntimeOptions): Runtime => {
  let running: Replica | null = null;
  let problem: Error = new Waiting("Starting");
  let lastMessage = "";
  let isOutdated = false;
  const onError = (error: unknown): void => {
    problem = error instanceof Error ? error : new Error(String(error));
    if (problem.message === lastMessage) return;
    lastMessage = problem.message;
    if (problem instanceof Waiting) logger.info({ waitingFor: problem.name }, "replica is waiting");
    else logger.error({ err: problem }, "replica could not start and tries again");
  };
  const loop = startLoop({ idleMs: pollMs, onError }, async () => {
    if (running !== null && isOutdated) {
      const outdated = running;
      problem = new Waiting("Starting");
      running = null;
      await outdated.stop();
    }
    if (running === null) {
      isOutdated = false;
      try {
        running = await start();
        logger.info("replica is running");
      } catch (error) {
        // Waiting is the normal state of a new replica and must not slow down the next look.
        onError(error);
      }
    }
    return false;
  });
  return {
    replica: () => {
      if (running === null) throw problem;
      return running;
    },
    renew: () => {
      isOutdated = true;
    },
    stop: async () => {
      await loop.stop();
      await running?.stop();
    },
  };
};
