import { setTimeout as sleep } from "node:timers/promises";

const FIRST_PAUSE_MS = 20;
const LONGEST_PAUSE_MS = 250;

/** Looks again, at growing distances, until something is found; null when it was not within `limitMs`. */
export async function waitFor<Found>(
  limitMs: number,
  look: () => Promise<Found | null>,
): Promise<Found | null> {
  const endsAt = performance.now() + limitMs;
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)) {
    const found = await look();
    if (found !== null) return found;
    if (performance.now() + pauseMs > endsAt) return null;
    await sleep(pauseMs);
  }
}
