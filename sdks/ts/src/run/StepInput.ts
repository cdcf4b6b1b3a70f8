import type { CallResult } from "./CallResult.ts";

/**
 * The body of one call as the provider's API defines it, without `model`, which the plan fixes. `stream: true`
 * on a chat call gives deltas as they come.
 */
export type StepInput = {
  stream?: boolean;
  /** The most this call may cost, in nanocredits; the step's ceiling per call unless given. */
  maxCostNano?: bigint;
  [parameter: string]: unknown;
};

/** Results of the steps so far, by step id, in the order of their calls. */
export type StepResults = Readonly<Record<string, readonly CallResult[]>>;

type OneOrMore = StepInput | readonly StepInput[];

/** Input of a step: one call, several up to the plan's `maxCalls`, or a function of the earlier results. */
export type StepInputs = Readonly<
  Record<string, OneOrMore | ((results: StepResults) => OneOrMore | Promise<OneOrMore>)>
>;
