import type { Generator } from "../bench/generator/startGenerator.ts";
import { type Percentiles, percentilesOf } from "../bench/measure/percentiles.ts";
import { usageOf } from "../bench/measure/processTree.ts";
import { readRunning } from "../stack/down.ts";
import type { Layout } from "../stack/layout.ts";
import type { LoadSettings } from "./settings.ts";

/** What one minute of the soak saw. */
export type Minute = {
  minute: number;
  sent: number;
  answered: number;
  /** Answers per second, until the last of them. */
  rate: number;
  latencyMs: Percentiles | null;
  failures: Record<string, number>;
  generatorLagMs: Percentiles;
  memory: { gatewayMiB: number; postgresMiB: number };
};

const MINUTE_SECONDS = 60;

const residentMiB = (layout: Layout, name: string): number => {
  const pid = readRunning(layout)?.parts.find((part) => part.name === name)?.pid;
  return pid === undefined ? 0 : Math.round(usageOf([pid]).residentBytes / 2 ** 20);
};

/** Calls at a fixed rate, minute after minute. */
export const runMinutes = async (
  generator: Generator,
  layout: Layout,
  { minutes, rate }: LoadSettings,
  onMinute: (minute: Minute) => void,
): Promise<Minute[]> => {
  const all: Minute[] = [];
  for (let leftSeconds = minutes * MINUTE_SECONDS; leftSeconds > 0; leftSeconds -= MINUTE_SECONDS) {
    const seconds = Math.min(MINUTE_SECONDS, leftSeconds);
    const plan = { rate, warmUpSeconds: 0, seconds };
    const round = await generator.run("gateway", plan, () => undefined);
    const answered = round.latenciesMs.length;
    const minute: Minute = {
      minute: all.length + 1,
      sent: round.lagsMs.length,
      answered,
      rate: answered / (seconds + round.drainMs / 1000),
      latencyMs: answered === 0 ? null : percentilesOf(round.latenciesMs),
      failures: round.failures,
      generatorLagMs: percentilesOf(round.lagsMs),
      memory: { gatewayMiB: residentMiB(layout, "gateway"), postgresMiB: residentMiB(layout, "postgres") },
    };
    all.push(minute);
    onMinute(minute);
  }
  return all;
};
