import type { Measure } from "./Measure.ts";
import type { Machine } from "./measure/machine.ts";
import type { Percentiles } from "./measure/percentiles.ts";
import type { GrowthMeasure } from "./probes/growth.ts";
import type { StreamsMeasure } from "./probes/streams.ts";
import type { ProbeName, Settings } from "./settings.ts";
import type { Absent, Subject } from "./subjects/Subject.ts";

/** A probe that broke; the rounds before it stand. */
export type FailedProbe = { name: ProbeName; reason: string };

export type VerifyMeasure = Record<string, { perSecond: number; microseconds: Percentiles }>;

/** Everything one run found; what was not asked for is absent. */
export type Results = {
  machine: Machine;
  settings: Pick<
    Settings,
    "rates" | "rounds" | "comparedRounds" | "seconds" | "warmUpSeconds" | "jobs" | "profile"
  >;
  /** As PostgreSQL itself says it. */
  postgres: { version: string; fsync: string; synchronousCommit: string };
  holdingRule: string;
  subjects: Pick<Subject, "name" | "version" | "does">[];
  absent: (Absent | FailedProbe)[];
  measures: Measure[];
  verify?: VerifyMeasure;
  /** Lines that sdks/verifier/bench/verify.ts printed. */
  provider?: string[];
  /** Lines that services/gateway/bench/ledger.ts printed. */
  ledger?: string[];
  growth?: GrowthMeasure[];
  streams?: StreamsMeasure[];
};
