import type { Plan } from "@tac/protocol";
import type { Hex } from "viem";
import type { Job } from "../job/Job.ts";
import type { CallResult } from "./CallResult.ts";
import type { StepResults } from "./StepInput.ts";

/** `call` counts the calls of a step from 0. `locked` comes only when `run` was given a plan. */
export type RunEvent =
  | { type: "locked"; job: Job }
  | { type: "step-start"; stepId: string; step: Plan.QuotedStep }
  | { type: "delta"; stepId: string; call: number; text: string }
  | { type: "call-end"; stepId: string; call: number; receiptId: Hex; costNano: bigint; result: CallResult }
  | { type: "step-end"; stepId: string; receiptIds: Hex[]; costNano: bigint; results: readonly CallResult[] }
  | { type: "done"; job: Job; results: StepResults; costNano: bigint };
