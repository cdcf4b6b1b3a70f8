import type { Target } from "../generator/Target.ts";
import type { SubjectName } from "../settings.ts";

/** Something that calls go through, up and ready. */
export type Subject = {
  name: SubjectName;
  version: string;
  /** What it does to a call, and what it does not. */
  does: string;
  /** The processes whose CPU and memory are its own; none for `direct`. */
  pids: readonly number[];
  /** True when its calls are written to PostgreSQL, whose CPU is then shown too. */
  usesPostgres: boolean;
  target: Target;
};

/** A peer that cannot be had on this machine. */
export type Absent = { name: SubjectName; reason: string };
