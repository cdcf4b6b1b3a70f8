import { z } from "zod";
import * as Wire from "./Wire.ts";

/** What a call used. `durationMs` is priced per million milliseconds. */
export type Units = {
  inputTokens: bigint;
  cachedInputTokens: bigint;
  outputTokens: bigint;
  requests: bigint;
  durationMs: bigint;
};

/** Nanocredits per million units. */
export type Prices = {
  inputTokensNano: bigint;
  cachedInputTokensNano: bigint;
  outputTokensNano: bigint;
  requestsNano: bigint;
  durationMsNano: bigint;
};

export const ZERO_UNITS: Units = {
  inputTokens: 0n,
  cachedInputTokens: 0n,
  outputTokens: 0n,
  requests: 0n,
  durationMs: 0n,
};

const UNITS_PER_PRICE = 1_000_000n;

/**
 * `ceil(sum(units * price) / 1_000_000)` nanocredits: one sum, rounded up once. The classes are disjoint: cached input tokens are not among `inputTokens`. RangeError on a
 * negative operand.
 */
export function costNano(units: Units, prices: Prices): bigint {
  const terms: [bigint, bigint][] = [
    [units.inputTokens, prices.inputTokensNano],
    [units.cachedInputTokens, prices.cachedInputTokensNano],
    [units.outputTokens, prices.outputTokensNano],
    [units.requests, prices.requestsNano],
    [units.durationMs, prices.durationMsNano],
  ];
  let sum = 0n;
  for (const [count, priceNano] of terms) {
    if (count < 0n || priceNano < 0n) throw new RangeError("Units and prices are never negative.");
    sum += count * priceNano;
  }
  return (sum + UNITS_PER_PRICE - 1n) / UNITS_PER_PRICE;
}

export const unitsSchema: z.ZodType<Units> = z.strictObject({
  inputTokens: Wire.uint64,
  cachedInputTokens: Wire.uint64,
  outputTokens: Wire.uint64,
  requests: Wire.uint64,
  durationMs: Wire.uint64,
});

export function unitsToJson(units: Units) {
  return {
    inputTokens: units.inputTokens.toString(),
    cachedInputTokens: units.cachedInputTokens.toString(),
    outputTokens: units.outputTokens.toString(),
    requests: units.requests.toString(),
    durationMs: units.durationMs.toString(),
  };
}

export const pricesSchema: z.ZodType<Prices> = z.strictObject({
  inputTokensNano: Wire.uint64,
  cachedInputTokensNano: Wire.uint64,
  outputTokensNano: Wire.uint64,
  requestsNano: Wire.uint64,
  durationMsNano: Wire.uint64,
});

export function pricesToJson(prices: Prices) {
  return {
    inputTokensNano: prices.inputTokensNano.toString(),
    cachedInputTokensNano: prices.cachedInputTokensNano.toString(),
    outputTokensNano: prices.outputTokensNano.toString(),
    requestsNano: prices.requestsNano.toString(),
    durationMsNano: prices.durationMsNano.toString(),
  };
}
