import type { ProtocolError } from "@tac/protocol";
import { describe, expect, test } from "vitest";
import { model, prices, step, stored, tariff } from "../test/fixtures.ts";
import { pricePlan } from "./pricePlan.ts";

const dear = stored(tariff(1, [model("large"), model("small")]));
const cheap = stored(tariff(2, [model("large", { prices: prices({ outputTokensNano: 9_000_000_000n }) })]));
const equal = stored(tariff(3, [model("large", { prices: prices({ outputTokensNano: 9_000_000_000n }) })]));
const timed = stored(tariff(4, [model("timed", { prices: prices({ durationMsNano: 1n }) })]));
const offers = [dear, cheap, equal, timed];

const refusal = (work: () => unknown): Pick<ProtocolError, "code" | "param"> => {
  try {
    work();
  } catch (error) {
    return error as ProtocolError;
  }
  throw new Error("expected a refusal");
};

describe("pricePlan", () => {
  test("chooses the cheapest provider at the step's bounds, the lowest id among equals", () => {
    const priced = pricePlan({ steps: [step("a")] }, offers);
    // (1000 * 2.5e9 + 500 * 9e9) / 1e6
    expect(priced.steps[0]).toMatchObject({
      providerId: 2,
      tariffHash: cheap.tariffHash,
      ceilingNano: 7_000_000n,
    });
  });

  test("what is cheapest depends on the bounds", () => {
    const wordy = stored(tariff(1, [model("large", { prices: prices({ outputTokensNano: 1n }) })]));
    const terse = stored(
      tariff(2, [model("large", { prices: prices({ inputTokensNano: 1n, cachedInputTokensNano: 1n }) })]),
    );
    const chosen = (maxInputTokens: bigint, maxOutputTokens: bigint) =>
      pricePlan({ steps: [step("a", { maxInputTokens, maxOutputTokens })] }, [wordy, terse]).steps[0]
        ?.providerId;
    expect(chosen(10n, 1_000n)).toBe(1);
    expect(chosen(10_000n, 10n)).toBe(2);
  });

  test("keeps to the provider a step names", () => {
    const priced = pricePlan({ steps: [step("a", { providerId: 1 })] }, offers);
    expect(priced.steps[0]).toMatchObject({ providerId: 1, ceilingNano: 7_500_000n });
  });

  test("sums the steps and names each tariff once, ascending", () => {
    const plan = { steps: [step("a"), step("b", { model: "small", maxCalls: 3 }), step("c")] };
    const priced = pricePlan(plan, offers);
    expect(priced.ceilingNano).toBe(7_000_000n + 3n * 7_500_000n + 7_000_000n);
    expect(priced.tariffs).toEqual([
      { providerId: 1, version: 1, tariffHash: dear.tariffHash },
      { providerId: 2, version: 1, tariffHash: cheap.tariffHash },
    ]);
  });

  test.each([
    [{ model: "none" }, "unknown_model", "plan.steps[0].model"],
    [{ kind: "embeddings" as const }, "unknown_model", "plan.steps[0].model"],
    [{ providerId: 2, model: "small" }, "unknown_model", "plan.steps[0].model"],
    [{ providerId: 9 }, "unknown_provider", "plan.steps[0].providerId"],
    [{ model: "timed" }, "cost_unbounded", "model"],
    [{ maxInputTokens: 2n ** 64n - 1n, maxCalls: 1_000_000 }, "invalid_request", "plan"],
  ])("refuses %o with %s", (changes, code, param) => {
    expect(refusal(() => pricePlan({ steps: [step("a", changes)] }, offers))).toMatchObject({ code, param });
  });

  test("passes over a price without a bound when another provider has one", () => {
    const alsoTimed = stored(tariff(5, [model("timed")]));
    expect(
      pricePlan({ steps: [step("a", { model: "timed" })] }, [...offers, alsoTimed]).steps[0]?.providerId,
    ).toBe(5);
  });
});
