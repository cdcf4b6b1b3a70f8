import type { OpenStreams } from "./openStreams.ts";
import type { RoundPlan } from "./Round.ts";
import type { Target } from "./Target.ts";

/** What the generator can be told; one thing at a time. */
export type Command =
  | { do: "open"; name: string; target: Target }
  | { do: "run"; name: string; plan: RoundPlan }
  | { do: "streams"; name: string; counts: readonly number[] }
  | { do: "close" };

/** Marks come while it works; the result, or an error, ends the command. */
export type Answer =
  | { mark: "measuring" | "measured" }
  | { mark: "opened"; streams: OpenStreams }
  | { result: unknown }
  | { error: string };
