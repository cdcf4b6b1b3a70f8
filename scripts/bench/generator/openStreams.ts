import { setMaxListeners } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import type { Sender } from "./Sender.ts";

const OPEN_AT_A_TIME = 20;
const OPEN_DEADLINE_MS = 20_000;
/** What was opened comes to rest, and whoever listens reads the memory. */
const REST_MS = 3_000;

/** How the streams of a run stand: how many are open, and why others are not. */
export type OpenStreams = { open: number; failures: Record<string, number> };

/** Opens streams until so many are open at a time, and says so, for each count; then ends them all. */
export const openStreams = async (
  sender: Sender,
  counts: readonly number[],
  opened: (streams: OpenStreams) => void,
): Promise<void> => {
  const ending = new AbortController();
  setMaxListeners(0, ending.signal);
  const outcomes = new Map<string, number>();
  let index = 0;
  for (const count of counts) {
    const deadline = sleep(OPEN_DEADLINE_MS, "not open in time", { ref: false });
    let isLate = false;
    void deadline.then(() => {
      isLate = true;
    });
    const openOne = async (): Promise<void> => {
      while (index < count && !isLate) {
        index += 1;
        const opening = sender.stream(index, ending.signal).then(String, (error: Error) => error.name);
        const outcome = await Promise.race([opening, deadline]);
        outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
      }
    };
    await Promise.all(Array.from({ length: OPEN_AT_A_TIME }, openOne));
    await sleep(REST_MS);
    const { "200": open = 0, ...failures } = Object.fromEntries(outcomes);
    opened({ open, failures });
    await sleep(500);
  }
  ending.abort();
  await sleep(REST_MS);
};
