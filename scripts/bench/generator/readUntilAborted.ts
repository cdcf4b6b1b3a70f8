import { once } from "node:events";
import type { Readable } from "node:stream";

/** Waits for a stream's first bytes and lets the rest flow away; whoever aborts it later ends it without an error. */
export const readUntilAborted = async (body: Readable, status: number): Promise<number> => {
  // What fails before the first bytes is thrown by `once`; the abort at the end is wanted.
  body.on("error", () => undefined);
  await once(body, "data");
  body.resume();
  return status;
};
