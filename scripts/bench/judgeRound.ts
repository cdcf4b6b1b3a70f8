import type { Round } from "./generator/Round.ts";
import { percentilesOf } from "./measure/percentiles.ts";

const MAX_P99_MS = 50;
const MAX_LAG_P99_MS = 20;
/** A round that takes so long to drain, or half of whose calls wait so long, shows a rate far too high. */
const HOPELESS_MS = 1_000;

/** The rule by which a rate counts as held, as the report prints it. */
export const holdingRule =
  `every call answered with a 2xx, p99 from the due time at most ${MAX_P99_MS} ms, and the calls of the last fifth of a ` +
  "round not slower than those of the first (median at most twice as long and 5 ms more), in most of its rounds";

/** Why the round's rate was not held, or null. */
export const judgeRound = ({ latenciesMs, lagsMs, failures }: Round): string | null => {
  const failed = Object.entries(failures).map(([outcome, count]) => `${count} ended with ${outcome}`);
  if (failed.length > 0) return failed.join(", ");
  const lag = percentilesOf(lagsMs).p99;
  if (lag > MAX_LAG_P99_MS) return `the generator itself was late: p99 ${lag.toFixed(0)} ms`;
  const { p99 } = percentilesOf(latenciesMs);
  if (p99 > MAX_P99_MS) return `p99 ${p99.toFixed(0)} ms`;
  const fifth = Math.floor(latenciesMs.length / 5);
  const first = percentilesOf(latenciesMs.subarray(0, fifth)).p50;
  const last = percentilesOf(latenciesMs.subarray(latenciesMs.length - fifth)).p50;
  return last > 2 * first + 5
    ? `a growing backlog: ${first.toFixed(1)} ms, then ${last.toFixed(1)} ms`
    : null;
};

/** True when a higher rate, or another round of this one, cannot show anything new. */
export const isHopeless = ({ latenciesMs, drainMs, lagsMs }: Round): boolean =>
  drainMs > HOPELESS_MS ||
  latenciesMs.length < lagsMs.length / 2 ||
  percentilesOf(latenciesMs).p50 > HOPELESS_MS;
