import { Deployment, type Plan, type Tariff, Wire } from "@tac/protocol";
import type { Hex } from "viem";

const contract = (digit: string): Hex => `0x${digit.repeat(40)}`;

export const testDeployment: Deployment.Deployment = {
  chainId: 31337,
  startBlock: 0n,
  asset: contract("1"),
  creditToken: contract("2"),
  creditVault: contract("3"),
  providerRegistry: contract("4"),
  usageReceipts: contract("5"),
  settlementTreasury: contract("6"),
  paramGovernor: contract("7"),
  capabilityAuthority: contract("8"),
  sessionChannels: contract("9"),
};

export const testDomains = Deployment.domains(testDeployment);

export const testGatewayKey: Hex = `0x${"a1".repeat(32)}`;
export const testTariffKey: Hex = `0x${"b2".repeat(32)}`;
export const testTenantKey: Hex = `0x${"c3".repeat(32)}`;

/** Names one model of one provider; amounts in nanocredits per million units. */
export type TestModel = {
  providerId: number;
  model: string;
  kind: Tariff.Kind;
  inputTokensNano: bigint;
  outputTokensNano: bigint;
};

export const testModels: TestModel[] = [
  {
    providerId: 1,
    model: "chat-small",
    kind: "chat",
    inputTokensNano: 150_000_000n,
    outputTokensNano: 600_000_000n,
  },
  {
    providerId: 2,
    model: "chat-large",
    kind: "chat",
    inputTokensNano: 2_500_000_000n,
    outputTokensNano: 9_000_000_000n,
  },
  {
    providerId: 2,
    model: "embed-small",
    kind: "embeddings",
    inputTokensNano: 20_000_000n,
    outputTokensNano: 0n,
  },
  { providerId: 2, model: "tool", kind: "http", inputTokensNano: 1_000_000n, outputTokensNano: 0n },
];

export function toTariffs(models: TestModel[]): Tariff.Tariff[] {
  const providerIds = [...new Set(models.map(({ providerId }) => providerId))];
  return providerIds.map((providerId) => ({
    providerId,
    version: 1,
    currency: "CREDIT",
    effectiveFromMs: 0,
    models: models
      .filter((entry) => entry.providerId === providerId)
      .map(({ model, kind, inputTokensNano, outputTokensNano }) => ({
        model,
        kind,
        prices: {
          inputTokensNano,
          cachedInputTokensNano: inputTokensNano / 2n,
          outputTokensNano,
          requestsNano: 0n,
          durationMsNano: 0n,
        },
        contextTokens: 100_000n,
        maxOutputTokens: kind === "chat" ? 4_000n : 0n,
      })),
  }));
}

export const testPlan: Plan.Plan = {
  steps: [
    {
      id: "draft",
      kind: "chat",
      model: "chat-small",
      maxInputTokens: 2_000n,
      maxOutputTokens: 500n,
      maxCalls: 4,
    },
    {
      id: "index",
      kind: "embeddings",
      model: "embed-small",
      maxInputTokens: 4_000n,
      maxOutputTokens: 0n,
      maxCalls: 2,
    },
  ],
};

export const testGatewayAddress = Wire.privateKeyToAddress(testGatewayKey);
export const testTariffSigner = Wire.privateKeyToAddress(testTariffKey);
