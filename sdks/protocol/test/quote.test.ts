import { describe, expect, it } from "vitest";
import { type Plan, Quote } from "../src/index.ts";
import { codeOf, domain, gateway, gatewayKey, providerKey, repeated, tenant } from "./fixtures.ts";

const free: Plan.PlanStep = {
  id: "draft",
  kind: "chat",
  model: "gpt-sim",
  maxInputTokens: 1_000n,
  maxOutputTokens: 500n,
  maxCalls: 3,
};
const fixed: Plan.PlanStep = { ...free, id: "review", providerId: 2 };
const plan: Plan.Plan = { steps: [free, fixed] };
const tariffs: Quote.TariffRef[] = [
  { providerId: 1, version: 1, tariffHash: repeated("e1") },
  { providerId: 2, version: 4, tariffHash: repeated("e2") },
];
const steps: Plan.QuotedStep[] = [
  { ...free, providerId: 1, tariffHash: repeated("e1"), ceilingNano: 300n },
  { ...fixed, providerId: 2, tariffHash: repeated("e2"), ceilingNano: 500n },
];
const quote: Quote.Quote = {
  tenant,
  gateway,
  planHash: Quote.planHash(plan),
  tariffsHash: Quote.tariffsHash(tariffs),
  ceilingNano: 800n,
  issuedAt: 1_700_000_000n,
  expiresAt: 1_700_000_300n,
  nonce: repeated("0f"),
};
const signature = Quote.sign(quote, domain, providerKey);
const signed: Quote.SignedQuote = { quote, signature, signer: tenant, plan, tariffs, steps };

function changed(index: number, change: Partial<Plan.QuotedStep>): Plan.QuotedStep[] {
  return steps.map((step, position) => (position === index ? { ...step, ...change } : step));
}

describe("checkConsistency", () => {
  it("accepts a quote that agrees with itself", () => {
    expect(codeOf(() => Quote.checkConsistency(signed))).toBe("no error");
  });

  it.each<[string, string, Partial<Quote.SignedQuote>]>([
    ["another plan", "planHash", { plan: { steps: [free] } }],
    ["another tariff", "tariffsHash", { tariffs: tariffs.slice(1) }],
    ["a step too few", "steps", { steps: steps.slice(0, 1) }],
    ["a step too many", "steps", { steps: [...steps, ...steps.slice(0, 1)] }],
    ["steps in another order", "steps", { steps: [...steps].reverse() }],
    ["more calls than planned", "steps", { steps: changed(0, { maxCalls: 4 }) }],
    ["another model", "steps", { steps: changed(0, { model: "gpt-dear" }) }],
    ["another provider than the plan fixed", "steps", { steps: changed(1, { providerId: 1 }) }],
    ["the tariff of another provider", "tariffs", { steps: changed(0, { tariffHash: repeated("e2") }) }],
    ["a ceiling that is no sum", "ceilingNano", { steps: changed(0, { ceilingNano: 299n }) }],
  ])("refuses %s", (_name, param, change) => {
    expect(() => Quote.checkConsistency({ ...signed, ...change })).toThrow(
      expect.objectContaining({ code: "quote_mismatch", param }),
    );
  });
});

it("names the signer, and nobody for a malleable signature", () => {
  expect(Quote.recover(quote, signature, domain)).not.toBe(gateway);
  expect(Quote.recover(quote, Quote.sign(quote, domain, gatewayKey), domain)).toBe(gateway);
  expect(Quote.recover(quote, `0x${signature.slice(2, -2)}00`, domain)).toBeNull();
});
