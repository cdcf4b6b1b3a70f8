import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Nano, Plan, Pricing, ProtocolError } from "../src/index.ts";
import * as arbitraries from "./arbitraries.ts";
import { codeOf } from "./fixtures.ts";

const prices: Pricing.Prices = {
  inputTokensNano: 150_000_000n,
  cachedInputTokensNano: 75_000_000n,
  outputTokensNano: 600_000_000n,
  requestsNano: 0n,
  durationMsNano: 0n,
};
const free: Pricing.Prices = {
  ...prices,
  inputTokensNano: 0n,
  cachedInputTokensNano: 0n,
  outputTokensNano: 0n,
};

describe("costNano", () => {
  it("is zero for no units, and for a free tariff", () => {
    expect(Pricing.costNano(Pricing.ZERO_UNITS, prices)).toBe(0n);
    expect(Pricing.costNano({ ...Pricing.ZERO_UNITS, requests: 9n, inputTokens: 7n }, free)).toBe(0n);
  });

  it("rounds the smallest fraction up to one nanocredit", () => {
    const cheapest = { ...free, requestsNano: 1n };
    expect(Pricing.costNano({ ...Pricing.ZERO_UNITS, requests: 1n }, cheapest)).toBe(1n);
    expect(Pricing.costNano({ ...Pricing.ZERO_UNITS, requests: 1_000_000n }, cheapest)).toBe(1n);
    expect(Pricing.costNano({ ...Pricing.ZERO_UNITS, requests: 1_000_001n }, cheapest)).toBe(2n);
  });

  it("rounds the sum once, not each term", () => {
    const each = {
      inputTokensNano: 1n,
      cachedInputTokensNano: 1n,
      outputTokensNano: 1n,
      requestsNano: 1n,
      durationMsNano: 1n,
    };
    const one = { inputTokens: 1n, cachedInputTokens: 1n, outputTokens: 1n, requests: 1n, durationMs: 1n };
    expect(Pricing.costNano(one, each)).toBe(1n);
  });

  it("loses nothing above 2^53 and at the largest operands", () => {
    const most = 2n ** 64n - 1n;
    const units = {
      inputTokens: most,
      cachedInputTokens: most,
      outputTokens: most,
      requests: most,
      durationMs: most,
    };
    const dearest = {
      inputTokensNano: most,
      cachedInputTokensNano: most,
      outputTokensNano: most,
      requestsNano: most,
      durationMsNano: most,
    };
    expect(Pricing.costNano(units, dearest)).toBe((5n * most * most + 999_999n) / 1_000_000n);
  });

  it("refuses negative operands", () => {
    expect(() => Pricing.costNano({ ...Pricing.ZERO_UNITS, requests: -1n }, prices)).toThrow(RangeError);
    expect(() => Pricing.costNano(Pricing.ZERO_UNITS, { ...prices, requestsNano: -1n })).toThrow(RangeError);
  });

  it("is the ceiling, grows with units, and never gains by splitting a call", () => {
    fc.assert(
      fc.property(arbitraries.units, arbitraries.units, arbitraries.prices, (left, right, tariff) => {
        const sum = add(left, right);
        const whole = Pricing.costNano(sum, tariff);
        const parts = Pricing.costNano(left, tariff) + Pricing.costNano(right, tariff);
        expect(parts >= whole && parts <= whole + 1n).toBe(true);
        expect(whole >= Pricing.costNano(left, tariff)).toBe(true);
      }),
    );
  });
});

describe("stepCeilingNano", () => {
  const step: Plan.PlanStep = {
    id: "draft",
    kind: "chat",
    model: "gpt-sim",
    maxInputTokens: 1000n,
    maxOutputTokens: 500n,
    maxCalls: 3,
  };

  it("is the calls times the worst call", () => {
    expect(Plan.stepCeilingNano(step, prices)).toBe(3n * 450_000n);
  });

  it("rounds each call up by itself, as each will be charged", () => {
    expect(Plan.stepCeilingNano(step, { ...free, requestsNano: 1n })).toBe(3n);
  });

  it("covers every split of the input into fresh and cached tokens", () => {
    const odd = { ...prices, cachedInputTokensNano: 200_000_000n };
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 1000n }), (cachedInputTokens) => {
        const units = {
          ...Pricing.ZERO_UNITS,
          inputTokens: 1000n - cachedInputTokens,
          cachedInputTokens,
          outputTokens: 500n,
          requests: 1n,
        };
        expect(3n * Pricing.costNano(units, odd) <= Plan.stepCeilingNano(step, odd)).toBe(true);
      }),
    );
  });

  it("refuses a tariff that prices duration, which has no bound", () => {
    expect(codeOf(() => Plan.stepCeilingNano(step, { ...prices, durationMsNano: 1n }))).toBe(
      "cost_unbounded",
    );
  });
});

describe("Nano", () => {
  it("reads credits with up to nine places", () => {
    expect(Nano.fromCredits("12.345678901")).toBe(12_345_678_901n);
    expect(Nano.fromCredits("0.5")).toBe(500_000_000n);
    expect(Nano.fromCredits("7")).toBe(7_000_000_000n);
    expect(Nano.format(12_345_678_901n)).toBe("12.345678901");
    expect(Nano.format(1n)).toBe("0.000000001");
    expect(Nano.format(-1n)).toBe("-0.000000001");
  });

  it.each(["", ".5", "5.", "-1", "+1", "01", "1.0000000001", "1e3", "1,5", " 1", "0x1", "NaN", "١"])(
    "refuses %j as credits",
    (text) => {
      expect(() => Nano.fromCredits(text)).toThrow(ProtocolError);
    },
  );

  it.each(["", "-1", "+1", "01", "1.0", "1e3", " 1", "1\n", "0x1", "1_000", "١", (2n ** 128n).toString()])(
    "refuses %j as digits",
    (text) => {
      expect(() => Nano.parse(text)).toThrow(ProtocolError);
    },
  );

  it("reads back whatever it formats and serialises", () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 2n ** 90n }), (amountNano) => {
        expect(Nano.fromCredits(Nano.format(amountNano))).toBe(amountNano);
        expect(Nano.parse(Nano.toJson(amountNano))).toBe(amountNano);
      }),
    );
    expect(() => Nano.toJson(-1n)).toThrow(RangeError);
  });
});

function add(left: Pricing.Units, right: Pricing.Units): Pricing.Units {
  return {
    inputTokens: left.inputTokens + right.inputTokens,
    cachedInputTokens: left.cachedInputTokens + right.cachedInputTokens,
    outputTokens: left.outputTokens + right.outputTokens,
    requests: left.requests + right.requests,
    durationMs: left.durationMs + right.durationMs,
  };
}
