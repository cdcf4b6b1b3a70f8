import type { BenchStack } from "../benchStack.ts";
import type { Generator } from "../generator/startGenerator.ts";
import type { Measure } from "../Measure.ts";
import { runMeasured, summarise } from "../measureRates.ts";
import type { Settings } from "../settings.ts";
import type { Subject } from "../subjects/Subject.ts";

export type GrowthMeasure = { jobs: number; measure: Measure };

const RATE = 200;

/** The same calls of one job, and of ten: what a hot job costs beside spread ones. */
export const probeGrowth = async (
  generator: Generator,
  stack: BenchStack,
  gateway: Subject,
  settings: Settings,
): Promise<GrowthMeasure[]> => {
  if (gateway.target.kind !== "gateway") throw new Error("Growth is measured on our gateway.");
  const jobCounts = [1, 10];
  for (const jobCount of jobCounts) await generator.open(`jobs-${jobCount}`, { ...gateway.target, jobCount });
  const measures: GrowthMeasure[] = [];
  for (const jobs of jobCounts) {
    const run = await runMeasured(generator, stack, `jobs-${jobs}`, gateway.pids, {
      ...settings,
      rate: RATE,
    });
    measures.push({ jobs, measure: summarise(gateway, RATE, [run]) });
  }
  return measures;
};
