import { setTimeout as sleep } from "node:timers/promises";
import type { Sender } from "./Sender.ts";

const OPEN_AT_A_TIME = 20;
const OPEN_DEADLINE_MS = 20_000;
/** What was opened comes to rest, and whoever listens reads the memory. */
const REST_MS = 3_000;

/** Opens streams until so many are open at a time, and says so, for each count; then ends them all. */
export const openStreams = async (
  sender: Sender,
  counts: readonly number[],
  opened: (count: number) => void,
): Promise<number> => {
  const ending = new AbortController();
  let open = 0;
  let index = 0;
  for (const count of counts) {
    const deadline = AbortSignal.timeout(OPEN_DEADLINE_MS);
    const openOne = async (): Promise<void> => {
      while (index < count && !deadline.aborted) {
        index += 1;
        const isOpen = await Promise.race([
          sender.stream(index, ending.signal).then((status) => status === 200),
          new Promise<false>((resolve) => deadline.addEventListener("abort", () => resolve(false))),
        ]);
        if (isOpen) open += 1;
      }
    };
    await Promise.all(Array.from({ length: OPEN_AT_A_TIME }, openOne));
    await sleep(REST_MS);
    opened(open);
    await sleep(500);
  }
  ending.abort();
  await sleep(REST_MS);
  return open;
};
