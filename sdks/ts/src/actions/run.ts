import { type Plan, ProtocolError } from "@tac/protocol";
import type { ClientCore } from "../ClientCore.ts";
import type { Job } from "../job/Job.ts";
import type { CallResult } from "../run/CallResult.ts";
import { callStep } from "../run/callStep.ts";
import type { RunEvent } from "../run/RunEvent.ts";
import type { StepInput, StepInputs } from "../run/StepInput.ts";
import { close } from "./close.ts";
import { type LockOptions, lock } from "./lock.ts";
import { quote } from "./quote.ts";

export type RunOptions = Omit<LockOptions, "signal"> & {
  /** For a plan: what to lock, in nanocredits; the quote's ceiling unless given. */
  maxSpendNano?: bigint;
  signal?: AbortSignal;
};

/**
 * Runs the steps of a job in order and tells what happens. Given a plan, it also quotes, locks and, whatever
 * happens, closes the job; given a job, closing is for the caller. The first failing call ends the run with
 * its error; what was charged until then stays charged.
 */
export async function* run(
  core: ClientCore,
  jobOrPlan: Job | Plan.Plan,
  inputs: StepInputs,
  options: RunOptions = {},
): AsyncGenerator<RunEvent, void> {
  if ("jobId" in jobOrPlan) {
    yield* runSteps(core, jobOrPlan, inputs, options.signal);
    return;
  }
  assertInputs(jobOrPlan.steps, inputs);
  const { maxSpendNano, signal } = options;
  const quoted = await quote(core, jobOrPlan, signal ? { signal } : {});
  const job = await lock(core, quoted, maxSpendNano, options);
  let failure: unknown;
  try {
    yield { type: "locked", job };
    yield* runSteps(core, job, inputs, signal);
  } catch (error) {
    failure = error;
    throw error;
  } finally {
    await closeAfter(core, job, failure);
  }
}

/** Without the caller's signal: an aborted run must still give the rest of the credit back. */
async function closeAfter(core: ClientCore, job: Job, failure: unknown): Promise<void> {
  try {
    await close(core, job);
  } catch (error) {
    if (failure === undefined) throw error;
    throw new AggregateError([failure, error], "The run failed, and so did closing its job.");
  }
}

async function* runSteps(
  core: ClientCore,
  job: Job,
  inputs: StepInputs,
  signal: AbortSignal | undefined,
): AsyncGenerator<RunEvent, void> {
  const { steps } = job.signedQuote;
  assertInputs(steps, inputs);
  const results: Record<string, CallResult[]> = {};
  let totalNano = 0n;
  for (const step of steps) {
    signal?.throwIfAborted();
    yield { type: "step-start", stepId: step.id, step };
    const calls: CallResult[] = [];
    for (const [call, input] of (await resolveInputs(step, inputs, results)).entries()) {
      const result = yield* callStep(core, job, { step, call, input }, signal);
      calls.push(result);
      const { receiptId, costNano } = result;
      yield { type: "call-end", stepId: step.id, call, receiptId, costNano, result };
    }
    results[step.id] = calls;
    const costNano = calls.reduce((sum, { costNano }) => sum + costNano, 0n);
    totalNano += costNano;
    const receiptIds = calls.map(({ receiptId }) => receiptId);
    yield { type: "step-end", stepId: step.id, receiptIds, costNano, results: calls };
  }
  yield { type: "done", job, results, costNano: totalNano };
}

async function resolveInputs(
  step: Plan.QuotedStep,
  inputs: StepInputs,
  results: Readonly<Record<string, CallResult[]>>,
): Promise<readonly StepInput[]> {
  const given = inputs[step.id];
  const resolved = typeof given === "function" ? await given(results) : given;
  const calls = resolved === undefined ? [] : isList(resolved) ? resolved : [resolved];
  if (calls.length <= step.maxCalls) return calls;
  throw new ProtocolError("invalid_request", {
    detail: `Step ${step.id} has ${calls.length} inputs, but the plan allows ${step.maxCalls} calls.`,
    param: step.id,
  });
}

function isList(resolved: StepInput | readonly StepInput[]): resolved is readonly StepInput[] {
  return Array.isArray(resolved);
}

/** Found out before anything is locked: a misspelt step id would otherwise cost the steps before it. */
function assertInputs(steps: readonly Plan.PlanStep[], inputs: StepInputs): void {
  const ids = new Set(steps.map(({ id }) => id));
  const missing = steps.find(({ id }) => !Object.hasOwn(inputs, id))?.id;
  const unknown = Object.keys(inputs).find((id) => !ids.has(id));
  const param = missing ?? unknown;
  if (param === undefined) return;
  throw new ProtocolError("invalid_request", {
    detail: missing === undefined ? `The plan has no step ${param}.` : `Step ${param} has no input.`,
    param,
  });
}
