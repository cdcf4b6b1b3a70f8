import { Pricing, type Tariff } from "@tac/protocol";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type BoundTerms, boundOf, outputTokensFor, worstUnits } from "./bound.ts";
import { withinBound } from "./units.ts";
import { readWanted } from "./wanted.ts";

const price = fc.bigInt({ min: 0n, max: 50_000_000_000n });
const model = fc.record({
  inputTokensNano: price,
  cachedInputTokensNano: price,
  outputTokensNano: price,
  requestsNano: price,
  durationMsNano: price,
});
const count = fc.bigInt({ min: 0n, max: 1_000_000n });
const units = fc.record({
  inputTokens: count,
  cachedInputTokens: count,
  outputTokens: count,
  requests: fc.bigInt({ min: 0n, max: 3n }),
  durationMs: count,
});

const termsOf = (prices: Pricing.Prices, changes: Partial<BoundTerms> = {}): BoundTerms => ({
  model: { model: "m", kind: "chat", prices, contextTokens: 4_000n, maxOutputTokens: 900n },
  stepOutputTokens: 300n,
  deadlineMs: 600_000n,
  maxCostNano: 10n ** 15n,
  ...changes,
});
const chat = (extra: object = {}, byteCount = 120) =>
  readWanted("chat", "m", { messages: [{ role: "user", content: "hi" }], ...extra }, byteCount, null);

describe("the bound of a call", () => {
  test("covers whatever is charged, and stays within what the caller signed", () => {
    fc.assert(
      fc.property(
        model,
        units,
        fc.option(fc.integer({ min: 1, max: 900 }), { nil: undefined }),
        fc.integer({ min: 1, max: 8 }),
        fc.integer({ min: 1, max: 100_000 }),
        fc.bigInt({ min: 0n, max: 10n ** 12n }),
        (prices, metered, limit, n, byteCount, maxCostNano) => {
          const wanted = chat({ n, ...(limit === undefined ? {} : { max_tokens: limit }) }, byteCount);
          const terms = termsOf(prices, { maxCostNano });
          let bound: ReturnType<typeof boundOf>;
          try {
            bound = boundOf(wanted, terms);
          } catch (error) {
            expect(error).toMatchObject({ code: "over_max_cost" });
            return;
          }
          expect(bound.holdNano).toBeLessThanOrEqual(maxCostNano);
          expect(bound.floorNano).toBeLessThanOrEqual(bound.holdNano);
          for (const holdNano of [bound.floorNano, bound.holdNano]) {
            const outputTokens = outputTokensFor(wanted, terms, holdNano);
            expect(outputTokens).toBeGreaterThanOrEqual(1n);
            const charged = withinBound(metered, worstUnits(wanted, terms, outputTokens));
            expect(Pricing.costNano(charged, prices)).toBeLessThanOrEqual(holdNano);
          }
        },
      ),
      { numRuns: 500 },
    );
  });

  const perToken = { ...Pricing.ZERO_UNITS, inputTokensNano: 1_000_000n, outputTokensNano: 1_000_000n };
  const prices: Pricing.Prices = {
    ...perToken,
    cachedInputTokensNano: 0n,
    requestsNano: 0n,
    durationMsNano: 0n,
  };

  test("takes the context length where the body is longer", () => {
    expect(worstUnits(chat({}, 1_000_000), termsOf(prices), 1n).inputTokens).toBe(4_000n);
  });

  test("takes the quoted step's output where the caller names none", () => {
    expect(boundOf(chat(), termsOf(prices))).toEqual({ holdNano: 420n, floorNano: 121n });
    expect(outputTokensFor(chat(), termsOf(prices), 200n)).toBe(80n);
  });

  test("is refused where neither model nor step nor caller limits the output", () => {
    const tariffModel: Tariff.TariffModel = { ...termsOf(prices).model, maxOutputTokens: 0n };
    const open = termsOf(prices, { model: tariffModel, stepOutputTokens: 0n });
    expect(() => boundOf(chat(), open)).toThrow(expect.objectContaining({ code: "cost_unbounded" }));
    expect(boundOf(chat({ max_tokens: 5 }), open).holdNano).toBe(125n);
  });

  test("counts best_of candidates, which are paid for without being returned", () => {
    expect(boundOf(chat({ best_of: 4, n: 2, max_tokens: 10 }), termsOf(prices)).holdNano).toBe(160n);
  });
});
