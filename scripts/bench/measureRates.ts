import { cpus } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import type { BenchStack } from "./benchStack.ts";
import type { Round } from "./generator/Round.ts";
import type { Generator } from "./generator/startGenerator.ts";
import { isHopeless, judgeRound } from "./judgeRound.ts";
import type { Measure } from "./Measure.ts";
import { concat, percentilesOf } from "./measure/percentiles.ts";
import { usageOf } from "./measure/processTree.ts";
import { stolenMs } from "./measure/stolenMs.ts";
import { COMPARED_RATE, MAX_STOLEN, roundsAt, type Settings } from "./settings.ts";
import type { Subject } from "./subjects/Subject.ts";

/** CPU in milliseconds that each party used in the counted part of a round. */
type Costs = { subject: number; postgres: number; provider: number };
/** `stolenMs`: what the host of this machine took from it meanwhile. */
type Run = { round: Round; costs: Costs; stolenMs: number };

/** A backlog is let go of before the next round. */
const REST_MS = 300;

const MAX_ATTEMPTS = 3;

/** Runs one round and reads what everyone used between its two marks. */
export const runMeasured = async (
  generator: Generator,
  stack: BenchStack,
  name: string,
  pids: readonly number[],
  plan: { rate: number; warmUpSeconds: number; seconds: number },
): Promise<Run> => {
  const readAll = (): Costs => ({
    subject: usageOf(pids).cpuMs,
    postgres: usageOf([stack.postgres.pid]).cpuMs,
    provider: usageOf([stack.provider.pid]).cpuMs,
  });
  const marks: Costs[] = [];
  const stolen: number[] = [];
  const round = await generator.run(name, plan, () => {
    marks.push(readAll());
    stolen.push(stolenMs());
  });
  const [before, after] = marks;
  const [stolenBefore = 0, stolenAfter = 0] = stolen;
  if (before === undefined || after === undefined) throw new Error("The generator gave no marks.");
  await sleep(REST_MS);
  return {
    round,
    costs: {
      subject: after.subject - before.subject,
      postgres: after.postgres - before.postgres,
      provider: after.provider - before.provider,
    },
    stolenMs: stolenAfter - stolenBefore,
  };
};

/** Repeats what the host disturbed, whoever was measured and whatever came out; the least disturbed counts. */
const undisturbed = async (run: () => Promise<Run>, maxStolenMs: number): Promise<Run> => {
  let best = await run();
  for (let attempt = 1; attempt < MAX_ATTEMPTS && best.stolenMs > maxStolenMs; attempt += 1) {
    const next = await run();
    if (next.stolenMs < best.stolenMs) best = next;
  }
  return best;
};

/** Puts the rounds of a subject at a rate together. */
export const summarise = (subject: Subject, rate: number, runs: readonly Run[]): Measure => {
  const rounds = runs.map(({ round }) => round);
  const latenciesMs = concat(rounds.map(({ latenciesMs }) => latenciesMs));
  const calls = rounds.reduce((sum, { lagsMs }) => sum + lagsMs.length, 0);
  const failures: Record<string, number> = {};
  for (const round of rounds)
    for (const [outcome, count] of Object.entries(round.failures))
      failures[outcome] = (failures[outcome] ?? 0) + count;
  const reasons = rounds.map(judgeRound).filter((reason) => reason !== null);
  const perCallUs = (totalMs: number): number => (totalMs * 1000) / calls;
  const costUs = (party: keyof Costs): number =>
    perCallUs(runs.reduce((sum, { costs }) => sum + costs[party], 0));
  return {
    subject: subject.name,
    rate,
    rounds: rounds.length,
    calls,
    failures,
    latencyMs: latenciesMs.length === 0 ? null : percentilesOf(latenciesMs),
    stolenMs: runs.reduce((sum, run) => sum + run.stolenMs, 0),
    p95ByRoundMs: rounds.map((round) => percentilesOf(round.latenciesMs).p95),
    addedMs: null,
    fellBehind: reasons.length * 2 >= rounds.length ? (reasons[0] ?? null) : null,
    cpuUsPerCall: subject.pids.length === 0 ? null : costUs("subject"),
    postgresCpuUsPerCall: subject.usesPostgres ? costUs("postgres") : null,
    providerCpuUsPerCall: costUs("provider"),
    generatorCpuUsPerCall: perCallUs(rounds.reduce((sum, { generatorCpuMs }) => sum + generatorCpuMs, 0)),
    generatorLagMs: percentilesOf(concat(rounds.map(({ lagsMs }) => lagsMs))),
  };
};

const added = (measure: Measure, direct: Measure | undefined): Measure => {
  if (measure.subject === "direct" || !measure.latencyMs || !direct?.latencyMs) return measure;
  const { latencyMs } = measure;
  const base = direct.latencyMs;
  return {
    ...measure,
    addedMs: {
      p50: latencyMs.p50 - base.p50,
      p95: latencyMs.p95 - base.p95,
      p99: latencyMs.p99 - base.p99,
    },
  };
};

/**
 * Measures all subjects at rising rates. The rounds of a rate go round robin, each time beginning with another subject,
 * so that whatever else the machine does hits all alike. A subject that fell far behind is not asked for more; without
 * `direct` there is nothing to compare with, and the measuring ends.
 */
export const measureRates = async (
  {
    generator,
    stack,
    subjects,
    settings,
  }: {
    generator: Generator;
    stack: BenchStack;
    subjects: readonly Subject[];
    settings: Settings;
  },
  onMeasure: (measure: Measure) => void,
): Promise<Measure[]> => {
  const all: Measure[] = [];
  let alive = [...subjects];
  for (const rate of settings.rates) {
    const runs = new Map<Subject, Run[]>(alive.map((subject) => [subject, []]));
    for (let round = 0; round < roundsAt(rate, settings); round += 1) {
      for (let turn = 0; turn < alive.length; turn += 1) {
        const subject = alive[(turn + round) % alive.length];
        const own = subject && runs.get(subject);
        if (!subject || !own || own.some(({ round: earlier }) => isHopeless(earlier))) continue;
        const measured = () =>
          runMeasured(generator, stack, subject.name, subject.pids, { ...settings, rate });
        const mostMs =
          rate === COMPARED_RATE ? MAX_STOLEN * settings.seconds * 1000 * cpus().length : Infinity;
        own.push(await undisturbed(measured, mostMs));
      }
    }
    const measures = [...runs].map(([subject, own]) => summarise(subject, rate, own));
    const direct = measures.find(({ subject }) => subject === "direct");
    for (const measure of measures.map((one) => added(one, direct))) {
      all.push(measure);
      onMeasure(measure);
    }
    alive = alive.filter((subject) => !runs.get(subject)?.some(({ round }) => isHopeless(round)));
    if (!alive.some(({ name }) => name === "direct")) break;
  }
  return all;
};
