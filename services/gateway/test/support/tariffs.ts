import type { Plan, Tariff } from "@tac/protocol";

/** One nanocredit a token, in and out, so that costs can be read as token counts. */
const perToken = {
  inputTokensNano: 1_000_000n,
  cachedInputTokensNano: 500_000n,
  outputTokensNano: 1_000_000n,
  requestsNano: 0n,
  durationMsNano: 0n,
};

export const chatTariff: Tariff.Tariff = {
  providerId: 1,
  version: 1,
  currency: "CREDIT",
  effectiveFromMs: 0,
  models: [
    { model: "chat-1", kind: "chat", prices: perToken, contextTokens: 100_000n, maxOutputTokens: 1_000n },
    { model: "chat-other", kind: "chat", prices: perToken, contextTokens: 100_000n, maxOutputTokens: 1_000n },
  ],
};
export const embeddingTariff: Tariff.Tariff = {
  providerId: 2,
  version: 1,
  currency: "CREDIT",
  effectiveFromMs: 0,
  models: [
    { model: "embed-1", kind: "embeddings", prices: perToken, contextTokens: 8_000n, maxOutputTokens: 0n },
  ],
};

export const plan: Plan.Plan = {
  steps: [
    {
      id: "chat",
      kind: "chat",
      model: "chat-1",
      maxInputTokens: 10_000n,
      maxOutputTokens: 500n,
      maxCalls: 1_000,
    },
    {
      id: "embed",
      kind: "embeddings",
      model: "embed-1",
      maxInputTokens: 1_000n,
      maxOutputTokens: 0n,
      maxCalls: 10,
    },
  ],
};
