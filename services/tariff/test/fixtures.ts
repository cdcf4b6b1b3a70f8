import { type Plan, type Pricing, Tariff } from "@tac/protocol";

export const prices = (changes: Partial<Pricing.Prices> = {}): Pricing.Prices => ({
  inputTokensNano: 2_500_000_000n,
  cachedInputTokensNano: 1_250_000_000n,
  outputTokensNano: 10_000_000_000n,
  requestsNano: 0n,
  durationMsNano: 0n,
  ...changes,
});

export const model = (name: string, changes: Partial<Tariff.TariffModel> = {}): Tariff.TariffModel => ({
  model: name,
  kind: "chat",
  prices: prices(),
  contextTokens: 128_000n,
  maxOutputTokens: 16_384n,
  ...changes,
});

export const tariff = (
  providerId: number,
  models: Tariff.TariffModel[],
  changes: Partial<Tariff.Tariff> = {},
) => ({
  providerId,
  version: 1,
  currency: "CREDIT" as const,
  models,
  effectiveFromMs: 0,
  ...changes,
});

export const step = (id: string, changes: Partial<Plan.PlanStep> = {}): Plan.PlanStep => ({
  id,
  kind: "chat",
  model: "large",
  maxInputTokens: 1_000n,
  maxOutputTokens: 500n,
  maxCalls: 1,
  ...changes,
});

export const stored = (document: Tariff.Tariff) => ({ tariff: document, tariffHash: Tariff.hash(document) });
