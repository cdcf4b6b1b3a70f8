import { Pricing } from "@tac/protocol";
import fc from "fast-check";
import { expect, test } from "vitest";
import { settleUnits } from "./settleUnits.ts";
import { withinBound } from "./units.ts";

const count = fc.bigInt({ min: 0n, max: 1_000n });
const units = fc.record({
  inputTokens: count,
  cachedInputTokens: count,
  outputTokens: count,
  requests: fc.bigInt({ min: 0n, max: 1n }),
  durationMs: count,
});
const prices: Pricing.Prices = {
  inputTokensNano: 3_000_000n,
  cachedInputTokensNano: 1_000_000n,
  outputTokensNano: 9_000_000n,
  requestsNano: 1_000_000n,
  durationMsNano: 0n,
};

test("the smaller count settles, within the bound, and countersigned means signed exactly so", () => {
  fc.assert(
    fc.property(units, fc.option(units), units, (metered, reported, bound) => {
      const settled = settleUnits(metered, reported, bound, prices);
      expect(settled.units).toEqual(withinBound(settled.units, bound));
      expect(settled.costNano).toBe(Pricing.costNano(settled.units, prices));
      expect(settled.costNano).toBeLessThanOrEqual(Pricing.costNano(metered, prices));
      if (settled.countersigned) expect(settled.units).toEqual(reported);
      if (reported !== null && !settled.countersigned) expect(settled.disagreement).not.toBeNull();
    }),
    { numRuns: 500 },
  );
});
