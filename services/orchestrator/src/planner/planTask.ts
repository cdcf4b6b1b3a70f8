import { Plan, ProtocolError, Tariff } from "@tac/protocol";
import type { Hex } from "viem";
import { allows, type Policy } from "../policy/Policy.ts";
import { jsonBytes } from "../safety/checkOutput.ts";
import { referencesOf, type TaskStep } from "./TaskStep.ts";

/** Why a step is done by this model: it had the lowest ceiling of so many candidates. */
export type Choice = {
  stepId: string;
  kind: Tariff.Kind;
  model: string;
  providerId: number;
  tariffHash: Hex;
  ceilingNano: bigint;
  candidateCount: number;
};

export type PlannedTask = { plan: Plan.Plan; choices: Choice[]; ceilingNano: bigint };

/** What the body of a call holds besides its text: member names, the model, the token limit. */
const BODY_OVERHEAD_BYTES = 512;

/**
 * Chooses model and provider of each step by tariff: the cheapest one by worst-case cost that the policy allows and
 * that the step fits in. Throws `unknown_model` when there is none. Pure: the same tariffs give the same plan.
 */
export function planTask(
  steps: readonly TaskStep[],
  tariffs: readonly Tariff.Tariff[],
  policy: Policy,
): PlannedTask {
  const chosen = steps.map((step) => chooseModel(step, tariffs, policy));
  return {
    plan: { steps: chosen.map(({ planStep }) => planStep) },
    choices: chosen.map(({ choice }) => choice),
    ceilingNano: chosen.reduce((sum, { choice }) => sum + choice.ceilingNano, 0n),
  };
}

/** A token is at least one byte, so the bytes of the body bound its tokens; an answer is bounded by the policy. */
function inputBound(step: TaskStep, policy: Policy): bigint {
  const answers = referencesOf(step).length * policy.maxOutputBytes;
  return BigInt(BODY_OVERHEAD_BYTES + jsonBytes(step.text) + answers);
}

function chooseModel(step: TaskStep, tariffs: readonly Tariff.Tariff[], policy: Policy) {
  const maxInputTokens = inputBound(step, policy);
  const maxOutputTokens =
    step.kind === "chat" ? BigInt(step.maxOutputTokens ?? policy.defaultOutputTokens) : 0n;
  const candidates = tariffs.flatMap((tariff) => {
    const { providerId } = tariff;
    return tariff.models
      .filter(
        ({ model, kind, maxOutputTokens: limit }) =>
          kind === step.kind &&
          (step.model === undefined || step.model === model) &&
          (step.providerId === undefined || step.providerId === providerId) &&
          allows(policy, { kind, model, providerId }) &&
          (step.kind !== "chat" || maxOutputTokens <= limit),
      )
      .map(({ model, kind, prices }) => {
        const planStep = {
          id: step.id,
          kind,
          model,
          providerId,
          maxInputTokens,
          maxOutputTokens,
          maxCalls: 1,
        };
        return { planStep, tariff, ceilingNano: Plan.stepCeilingNano(planStep, prices) };
      });
  });
  const [cheapest] = candidates.toSorted(
    (left, right) =>
      Number(left.ceilingNano > right.ceilingNano) - Number(left.ceilingNano < right.ceilingNano) ||
      left.tariff.providerId - right.tariff.providerId ||
      (left.planStep.model < right.planStep.model ? -1 : 1),
  );
  if (!cheapest) {
    throw new ProtocolError("unknown_model", {
      detail: `No provider on offer can do step ${step.id} within the policy.`,
      param: step.id,
    });
  }
  const { planStep, tariff, ceilingNano } = cheapest;
  const choice: Choice = {
    stepId: step.id,
    kind: planStep.kind,
    model: planStep.model,
    providerId: planStep.providerId,
    tariffHash: Tariff.hash(tariff),
    ceilingNano,
    candidateCount: candidates.length,
  };
  return { planStep, choice };
}
