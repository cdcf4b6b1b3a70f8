import { existsSync, readFileSync } from "node:fs";

const STAT = "/proc/stat";
const TICK_MS = 10;

/**
 * Processor time in milliseconds, all processors together, that this machine wanted and its host gave to others, since it
 * started ("steal", proc(5)); 0 on a machine that has no host, or does not say.
 */
export const stolenMs = (): number => {
  if (!existsSync(STAT)) return 0;
  const [, ...ticks] = readFileSync(STAT, "utf8").split("\n", 1)[0]?.split(/\s+/) ?? [];
  return Number(ticks[7] ?? 0) * TICK_MS;
};
