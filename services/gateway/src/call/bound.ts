import { Errors, Pricing, type Tariff } from "@tac/protocol";
import { greatest, least } from "./bigints.ts";
import type { WantedCall } from "./wanted.ts";

/** Amounts are stored in 64 bits with a sign. */
const LARGEST_STORED_NANO = 2n ** 63n - 1n;

/** What a call can cost at most (`holdNano`) and the least hold it can run on (`floorNano`). */
export type Bound = { holdNano: bigint; floorNano: bigint };

/** Limits a bound is taken under: the tariff's model, the deadline of the upstream, the caller's own ceiling. */
export type BoundTerms = {
  model: Tariff.TariffModel;
  /** What one call of the quoted step may put out; used when the caller names no limit. */
  stepOutputTokens: bigint;
  deadlineMs: bigint;
  /** Signed by the caller in the proof. */
  maxCostNano: bigint;
};

/**
 * The worst case of a call. A limit set by the caller must be affordable as it is; without one, any hold between
 * one output token and the largest allowed output will do, and `outputTokensFor` says how far the hold reaches.
 * Errors: `over_max_cost`, `cost_unbounded`, `invalid_request`.
 */
export function boundOf(wanted: WantedCall, terms: BoundTerms): Bound {
  const { model } = terms;
  const maxCostNano = least(terms.maxCostNano, LARGEST_STORED_NANO);
  if (wanted.maxOutputTokens !== null) {
    refuseOverModelLimit(wanted, model);
    const holdNano = worstCostNano(wanted, terms, wanted.maxOutputTokens);
    if (holdNano > maxCostNano) throw overMaxCost(holdNano, maxCostNano);
    return { holdNano, floorNano: holdNano };
  }
  const largest = largestOutput(terms);
  const floorNano = worstCostNano(wanted, terms, 1n);
  if (floorNano > maxCostNano) throw overMaxCost(floorNano, maxCostNano);
  const widestNano = worstCostNano(wanted, terms, largest);
  return { holdNano: least(widestNano, maxCostNano), floorNano };
}

/** Output tokens per choice that a hold pays for, never above what the caller or the model allows. */
export function outputTokensFor(wanted: WantedCall, terms: BoundTerms, holdNano: bigint): bigint {
  if (wanted.maxOutputTokens !== null) return wanted.maxOutputTokens;
  const largest = largestOutput(terms);
  const perTokenNano = terms.model.prices.outputTokensNano * wanted.choices;
  if (perTokenNano === 0n) return largest;
  // Prices are per million units, and the cost is rounded up once: sum <= hold * 1,000,000 is exact.
  const spareNano = holdNano * 1_000_000n - exactSumNano(worstUnits(wanted, terms, 0n), terms.model.prices);
  return least(spareNano / perTokenNano, largest);
}

/** The most units of each class the call may be charged for. */
export function worstUnits(wanted: WantedCall, terms: BoundTerms, outputPerChoice: bigint): Pricing.Units {
  const { contextTokens } = terms.model;
  const inputTokens = contextTokens > 0n ? least(contextTokens, wanted.inputBytes) : wanted.inputBytes;
  return {
    inputTokens,
    cachedInputTokens: 0n,
    outputTokens: outputPerChoice * wanted.choices,
    requests: 1n,
    durationMs: terms.model.prices.durationMsNano === 0n ? 0n : terms.deadlineMs,
  };
}

function worstCostNano(wanted: WantedCall, terms: BoundTerms, outputPerChoice: bigint): bigint {
  return Pricing.costNano(worstUnits(wanted, terms, outputPerChoice), dearestPrices(terms.model.prices));
}

function exactSumNano(units: Pricing.Units, prices: Pricing.Prices): bigint {
  const { inputTokensNano, outputTokensNano, requestsNano, durationMsNano } = dearestPrices(prices);
  return (
    units.inputTokens * inputTokensNano +
    units.outputTokens * outputTokensNano +
    units.requests * requestsNano +
    units.durationMs * durationMsNano
  );
}

/** An input token is billed as fresh or as cached, so the worst case takes the dearer of the two prices. */
function dearestPrices(prices: Pricing.Prices): Pricing.Prices {
  const { inputTokensNano, cachedInputTokensNano } = prices;
  return {
    ...prices,
    inputTokensNano: greatest(inputTokensNano, cachedInputTokensNano),
  };
}

function largestOutput({ model, stepOutputTokens }: BoundTerms): bigint {
  const limits = [model.maxOutputTokens, stepOutputTokens].filter((limit) => limit > 0n);
  const [first, ...others] = limits;
  if (first === undefined) throw Errors.fromCode("cost_unbounded", { param: "max_tokens" });
  return least(first, ...others);
}

function refuseOverModelLimit(wanted: WantedCall, model: Tariff.TariffModel): void {
  const limit = model.maxOutputTokens;
  if (limit > 0n && (wanted.maxOutputTokens ?? 0n) > limit) {
    throw Errors.fromCode("invalid_request", {
      param: wanted.outputField,
      detail: `${model.model} puts out at most ${limit} tokens.`,
    });
  }
}

function overMaxCost(costNano: bigint, maxCostNano: bigint) {
  return Errors.fromCode("over_max_cost", {
    param: "maxCostNano",
    detail: `The call may cost ${costNano} nanocredits; its proof allows ${maxCostNano}.`,
  });
}
