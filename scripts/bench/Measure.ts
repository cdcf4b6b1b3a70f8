import type { Percentiles } from "./measure/percentiles.ts";
import type { SubjectName } from "./settings.ts";

/** One subject at one rate, over all its rounds. Times in milliseconds unless the name says microseconds. */
export type Measure = {
  subject: SubjectName;
  /** Calls per second. */
  rate: number;
  rounds: number;
  calls: number;
  failures: Record<string, number>;
  /** From when a call was due until its last byte; null when none was answered. */
  latencyMs: Percentiles | null;
  /** Processor time that the machine's host took meanwhile. */
  stolenMs: number;
  /** The p95 of each round, in the order they were run. */
  p95ByRoundMs: number[];
  /** Each percentile less the same one of `direct` at this rate. */
  addedMs: Omit<Percentiles, "max"> | null;
  /** Why the rate was not held; null when it was. */
  fellBehind: string | null;
  /** CPU of the subject's own processes. */
  cpuUsPerCall: number | null;
  postgresCpuUsPerCall: number | null;
  providerCpuUsPerCall: number;
  generatorCpuUsPerCall: number;
  generatorLagMs: Percentiles;
};
