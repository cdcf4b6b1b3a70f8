import { Nano, type Tariff } from "@tac/protocol";

/** US dollars per million units, as providers publish them, in nanocredits per million units. */
const usd = Nano.fromCredits;
const free = { cachedInputTokensNano: 0n, requestsNano: 0n, durationMsNano: 0n };

/** What the two local providers charge; the order is that of their ids on chain. */
export const localTariffs: Tariff.Tariff[] = [
  {
    providerId: 1,
    version: 1,
    currency: "CREDIT",
    effectiveFromMs: 0,
    models: [
      {
        model: "sim-chat-large",
        kind: "chat",
        prices: {
          ...free,
          inputTokensNano: usd("2.5"),
          cachedInputTokensNano: usd("1.25"),
          outputTokensNano: usd("10"),
        },
        contextTokens: 128_000n,
        maxOutputTokens: 16_384n,
      },
      {
        model: "sim-chat-small",
        kind: "chat",
        prices: {
          ...free,
          inputTokensNano: usd("0.15"),
          cachedInputTokensNano: usd("0.075"),
          outputTokensNano: usd("0.6"),
        },
        contextTokens: 128_000n,
        maxOutputTokens: 16_384n,
      },
    ],
  },
  {
    providerId: 2,
    version: 1,
    currency: "CREDIT",
    effectiveFromMs: 0,
    models: [
      {
        model: "sim-embed",
        kind: "embeddings",
        prices: { ...free, inputTokensNano: usd("0.02"), outputTokensNano: 0n },
        contextTokens: 8_192n,
        maxOutputTokens: 0n,
      },
    ],
  },
];
