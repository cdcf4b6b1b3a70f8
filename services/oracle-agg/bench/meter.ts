import { readdirSync, readFileSync } from "node:fs";
import type { Pool } from "@tac/kit";

/** What a stretch of work took. Processor time is summed over all threads, garbage collection included. */
export type Spent = {
  postgresVersion: string;
  seconds: number;
  nodeSeconds: number;
  postgresSeconds: number;
  /** Resident memory of this process when the stretch began, and the most it ever had. */
  startMegabytes: number;
  peakMegabytes: number;
};

export type BatchResult = Spent & {
  /** Of one window; what was spent is the mean of `windows`. */
  receipts: number;
  windows: number;
  batches: number;
  microsEach: Record<string, number>;
};

/** Of the best of several rounds in one process. */
export type MerkleResult = { receipts: number; leafSeconds: number; treeSeconds: number };

export type ValidationResult = Spent & {
  receipts: number;
  countersigned: number;
  threads: number;
  /** Resident memory after each quarter of the receipts. */
  quarterMegabytes: number[];
  /** Processor time, measured just before, of the signature checks alone, a receipt. */
  signatureMicros: number;
};

/** Starts the clocks; the function it gives reads them. PostgreSQL's time is that of all its processes. */
export const startMeter = async (pool: Pool): Promise<() => Spent> => {
  const { rows } = await pool.query<{ pid: number; version: string }>(
    "SELECT pg_backend_pid() AS pid, current_setting('server_version') AS version",
  );
  const postmaster = statOf(rows[0]?.pid ?? 0)?.parent;
  const postgres = (): number =>
    readdirSync("/proc")
      .filter((name) => /^\d+$/.test(name))
      .map((name) => statOf(Number(name)))
      .reduce((sum, stat) => (stat !== null && stat.parent === postmaster ? sum + stat.seconds : sum), 0);
  const startMegabytes = megabytes();
  const postgresBefore = postgres();
  const cpuBefore = process.cpuUsage();
  const startedAt = performance.now();
  return () => {
    const seconds = (performance.now() - startedAt) / 1_000;
    const { user, system } = process.cpuUsage(cpuBefore);
    return {
      postgresVersion: rows[0]?.version ?? "",
      seconds,
      nodeSeconds: (user + system) / 1_000_000,
      postgresSeconds: postgres() - postgresBefore,
      startMegabytes,
      peakMegabytes: Math.round(process.resourceUsage().maxRSS / 1_024),
    };
  };
};

export const megabytes = (): number => Math.round(process.memoryUsage.rss() / 2 ** 20);

const TICKS_PER_SECOND = 100;

/** proc(5): parent, and processor time; null once the process has ended. */
const statOf = (pid: number): { parent: number; seconds: number } | null => {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  } catch {
    return null;
  }
  const fields = stat
    .slice(stat.lastIndexOf(")") + 2)
    .split(" ")
    .map(Number);
  return { parent: fields[1] ?? 0, seconds: ((fields[11] ?? 0) + (fields[12] ?? 0)) / TICKS_PER_SECOND };
};
