import type { Hex } from "viem";
import { z } from "zod";
import { ProtocolError } from "./Errors.ts";
import { hashJson } from "./internal/canonicalJson.ts";
import * as Pricing from "./Pricing.ts";
import * as Tariff from "./Tariff.ts";
import * as Wire from "./Wire.ts";

/** Bounds of one step: no call of it uses more tokens, and it makes no more calls. */
export type PlanStep = {
  id: string;
  kind: Tariff.Kind;
  model: string;
  /** Absent: the quote chooses the provider. */
  providerId?: number;
  maxInputTokens: bigint;
  maxOutputTokens: bigint;
  maxCalls: number;
};

/** 1 to 64 steps with distinct ids. */
export type Plan = { steps: PlanStep[] };

/** A step with the provider, the tariff and the most it can cost. */
export type QuotedStep = PlanStep & { providerId: number; tariffHash: Hex; ceilingNano: bigint };

const stepShape = {
  id: z.string().regex(/^[A-Za-z0-9_-]{1,64}$/),
  kind: Tariff.kindSchema,
  model: Wire.modelName,
  maxInputTokens: Wire.uint64,
  maxOutputTokens: Wire.uint64,
  maxCalls: z.int().min(1).max(1_000_000),
};

export const stepSchema: z.ZodType<PlanStep> = z.strictObject({
  ...stepShape,
  providerId: Wire.providerId.exactOptional(),
});

export const schema: z.ZodType<Plan> = z.strictObject({
  steps: z
    .array(stepSchema)
    .min(1)
    .max(64)
    .refine((steps) => new Set(steps.map(({ id }) => id)).size === steps.length, "step ids repeat"),
});

export const quotedStepSchema: z.ZodType<QuotedStep> = z.strictObject({
  ...stepShape,
  providerId: Wire.providerId,
  tariffHash: Wire.bytes32,
  ceilingNano: Wire.uint64,
});

export function stepToJson(step: PlanStep) {
  return {
    id: step.id,
    kind: step.kind,
    model: step.model,
    ...(step.providerId === undefined ? {} : { providerId: step.providerId }),
    maxInputTokens: step.maxInputTokens.toString(),
    maxOutputTokens: step.maxOutputTokens.toString(),
    maxCalls: step.maxCalls,
  };
}

export function toJson(plan: Plan) {
  return { steps: plan.steps.map(stepToJson) };
}

export function quotedStepToJson(step: QuotedStep) {
  return {
    ...stepToJson(step),
    providerId: step.providerId,
    tariffHash: step.tariffHash,
    ceilingNano: step.ceilingNano.toString(),
  };
}

/** keccak256 of the RFC 8785 JSON of the plan. */
export function hash(plan: Plan): Hex {
  return hashJson(toJson(plan));
}

/**
 * The most a step can cost: `maxCalls` times one call at its bounds, each call rounded up by itself.
 * `cost_unbounded` when the tariff prices duration, for which a plan has no bound.
 */
export function stepCeilingNano(step: PlanStep, prices: Pricing.Prices): bigint {
  if (prices.durationMsNano > 0n) {
    throw new ProtocolError("cost_unbounded", {
      detail: `Step ${step.id} uses a model priced by duration.`,
      param: "model",
    });
  }
  // A token counts as cached or as fresh, never both; the dearer of the two prices is the worst case.
  const isCachedDearer = prices.cachedInputTokensNano > prices.inputTokensNano;
  const dearerInputNano = isCachedDearer ? prices.cachedInputTokensNano : prices.inputTokensNano;
  const worstCall = Pricing.costNano(
    {
      ...Pricing.ZERO_UNITS,
      inputTokens: step.maxInputTokens,
      outputTokens: step.maxOutputTokens,
      requests: 1n,
    },
    { ...prices, inputTokensNano: dearerInputNano },
  );
  return BigInt(step.maxCalls) * worstCall;
}
