import { existsSync, readdirSync } from "node:fs";
import { getPriority, setPriority } from "node:os";

const OWN_THREADS = "/proc/self/task";
/** A tenth of an ordinary thread's share of a processor that both want. */
const NICENESS = 10;

/**
 * Puts V8's own threads, which collect old objects and compile, behind whatever answers calls: this process's main thread, and
 * its PostgreSQL where that is on the same machine. One of them computes for up to 20 ms at a time, and the kernel may leave a
 * server process waiting behind it while another processor is idle. To be called once, at the start: threads that come later,
 * for files and names of hosts, stay as they are. Outside Linux, where threads are not listed, it does nothing; where the
 * system refuses it, all stays as it is and `onRefused` hears why.
 */
export function lowerHelperThreads(onRefused: (error: unknown) => void): void {
  if (!existsSync(OWN_THREADS)) return;
  try {
    for (const thread of readdirSync(OWN_THREADS).map(Number)) {
      if (thread !== process.pid && getPriority(thread) < NICENESS) setPriority(thread, NICENESS);
    }
  } catch (error) {
    onRefused(error);
  }
}
