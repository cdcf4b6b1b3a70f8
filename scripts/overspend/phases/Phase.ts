import type { JobAudit } from "../../spending/audit.ts";

/** One thing that was tried, in figures, and what contradicts the promise. */
export type PhaseReport = {
  name: string;
  figures: readonly (readonly [label: string, value: string | number | bigint])[];
  jobs: readonly JobAudit[];
  /** Empty when overspend is zero and nothing leaked. */
  problems: readonly string[];
};
