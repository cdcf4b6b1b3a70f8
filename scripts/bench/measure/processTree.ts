import { readdirSync, readFileSync } from "node:fs";

/** What processes have used so far: CPU in milliseconds, and memory they hold now in bytes. */
export type Usage = { cpuMs: number; residentBytes: number };

/** Linux reports CPU time to programs in hundredths of a second. */
const TICK_MS = 10;

type Stat = { parent: number; ticks: number };

/** A file of proc(5); null for a process that has ended. */
const readProc = (pid: number, file: string): string | null => {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ESRCH") return null;
    throw error;
  }
};

/** The name before the fields may hold blanks and brackets. */
const readStat = (pid: number): Stat | null => {
  const text = readProc(pid, "stat");
  if (text === null) return null;
  const fields = text
    .slice(text.lastIndexOf(")") + 2)
    .split(" ")
    .map(Number);
  const field = (number: number): number => fields[number - 3] ?? 0;
  return { parent: field(4), ticks: field(14) + field(15) + field(16) + field(17) };
};

const residentBytesOf = (pid: number): number =>
  Number(/^VmRSS:\s+(\d+) kB$/m.exec(readProc(pid, "status") ?? "")?.[1] ?? 0) * 1024;

/**
 * Usage of processes and all their descendants. Children that ended count through the parent that waited for them, so
 * the difference of two readings is what the tree used in between.
 */
export const usageOf = (roots: readonly number[]): Usage => {
  const stats = new Map<number, Stat>();
  for (const name of readdirSync("/proc")) {
    const pid = Number(name);
    const stat = Number.isInteger(pid) ? readStat(pid) : null;
    if (stat !== null) stats.set(pid, stat);
  }
  const isBelow = (pid: number): boolean => {
    for (let at = pid; at > 1; at = stats.get(at)?.parent ?? 0) if (roots.includes(at)) return true;
    return false;
  };
  const tree = [...stats].filter(([pid]) => isBelow(pid));
  return {
    cpuMs: tree.reduce((sum, [, { ticks }]) => sum + ticks, 0) * TICK_MS,
    residentBytes: tree.reduce((sum, [pid]) => sum + residentBytesOf(pid), 0),
  };
};
