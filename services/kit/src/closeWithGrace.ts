import listenForSignals from "close-with-grace";
import type { Logger } from "./logger.ts";

/** Closes one thing; a rejection is logged and the others are closed all the same. */
export type Closer = () => Promise<unknown>;

/** Closes in the given order: first what takes in work, last what work needs. */
export const closeAll = async (
  closers: Readonly<Record<string, Closer>>,
  logger: Pick<Logger, "error">,
): Promise<boolean> => {
  let clean = true;
  for (const [name, close] of Object.entries(closers)) {
    try {
      await close();
    } catch (error) {
      clean = false;
      logger.error({ err: error, part: name }, "closing failed");
    }
  }
  return clean;
};

/**
 * On SIGTERM, SIGINT, an uncaught exception or an unhandled rejection: closes everything in order within
 * `deadlineMs` and ends the process, with code 0 only when all closed cleanly after a signal.
 */
export const closeWithGrace = ({
  logger,
  closers,
  deadlineMs = 10_000,
}: {
  logger: Logger;
  closers: Readonly<Record<string, Closer>>;
  deadlineMs?: number;
}): void => {
  listenForSignals(
    {
      delay: deadlineMs,
      logger: { error: (problem?: unknown) => logger.error({ err: problem }, "closing") },
    },
    async ({ signal, err }) => {
      if (err !== undefined) logger.fatal({ err }, "closing after an unexpected error");
      else logger.info({ signal }, "closing");
      const clean = await closeAll(closers, logger);
      if (!clean) throw new Error("Not everything closed cleanly");
    },
  );
};
