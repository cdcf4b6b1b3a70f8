/** A stretch of calls at a fixed rate. */
export type RoundPlan = {
  /** Calls per second. */
  rate: number;
  /** Calls of this first part are made, and not counted. */
  warmUpSeconds: number;
  seconds: number;
};

/** What one round saw. Times in milliseconds. */
export type Round = RoundPlan & {
  /** Of each answered call, in the order of sending, from when it was due until its last byte. */
  latenciesMs: Float64Array;
  /** How late the generator was in beginning each call. */
  lagsMs: Float64Array;
  /** How many calls ended otherwise than with a 2xx, by status or error. */
  failures: Record<string, number>;
  /** From when the last call was due until the last answer. */
  drainMs: number;
  /** CPU of the generator's own process. */
  generatorCpuMs: number;
};
