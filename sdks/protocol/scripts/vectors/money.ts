import { Capability, Plan, Pricing, Quote, Tariff, Wire } from "../../src/index.ts";
import { bytes32, domain, gatewayKey, MAX_UINT64, tariffKey, tenantKey } from "./samples.ts";

const tenant = Wire.privateKeyToAddress(tenantKey);
const gateway = Wire.privateKeyToAddress(gatewayKey);

const chatPrices: Pricing.Prices = {
  inputTokensNano: 150_000_000n,
  cachedInputTokensNano: 75_000_000n,
  outputTokensNano: 600_000_000n,
  requestsNano: 0n,
  durationMsNano: 0n,
};
const zeroPrices: Pricing.Prices = {
  inputTokensNano: 0n,
  cachedInputTokensNano: 0n,
  outputTokensNano: 0n,
  requestsNano: 0n,
  durationMsNano: 0n,
};

export function pricing() {
  const cases: [string, Partial<Pricing.Units>, Partial<Pricing.Prices>][] = [
    ["nothing used", {}, chatPrices],
    ["a free tariff", { inputTokens: 1_000n, requests: 1n }, {}],
    [
      "a chat call",
      { inputTokens: 1_234n, cachedInputTokens: 1_000n, outputTokens: 567n, requests: 1n },
      chatPrices,
    ],
    ["the smallest fraction rounds up", { requests: 1n }, { requestsNano: 1n }],
    ["an exact million does not round", { requests: 1_000_000n }, { requestsNano: 1n }],
    ["one above a million rounds up", { requests: 1_000_001n }, { requestsNano: 1n }],
    [
      "the sum is rounded once",
      { inputTokens: 1n, outputTokens: 1n },
      { inputTokensNano: 1n, outputTokensNano: 1n },
    ],
    ["duration", { durationMs: 1_500n, requests: 1n }, { durationMsNano: 2_000_000_000n, requestsNano: 5n }],
    ["above 2^53", { inputTokens: 2n ** 53n + 1n }, { inputTokensNano: 1_000_001n }],
    ["the largest operands", { inputTokens: MAX_UINT64 }, { inputTokensNano: MAX_UINT64 }],
  ];
  return {
    description: "costNano = ceil(sum(units * prices) / 1000000); prices are nanocredits per million units",
    cases: cases.map(([name, units, prices]) => {
      const allUnits = { ...Pricing.ZERO_UNITS, ...units };
      const allPrices = { ...zeroPrices, ...prices };
      return {
        name,
        units: Pricing.unitsToJson(allUnits),
        prices: Pricing.pricesToJson(allPrices),
        costNano: Pricing.costNano(allUnits, allPrices).toString(),
      };
    }),
  };
}

const tariffs: Tariff.Tariff[] = [
  {
    providerId: 1,
    version: 1,
    currency: "CREDIT",
    models: [
      {
        model: "gpt-sim",
        kind: "chat",
        prices: chatPrices,
        contextTokens: 128_000n,
        maxOutputTokens: 4_096n,
      },
    ],
    effectiveFromMs: 1_700_000_000_000,
  },
  {
    providerId: 2,
    version: 3,
    currency: "CREDIT",
    models: [
      {
        model: "text-embedding-sim",
        kind: "embeddings",
        prices: { ...zeroPrices, inputTokensNano: 20_000_000n, requestsNano: 1_000_000n },
        contextTokens: 8_192n,
        maxOutputTokens: 0n,
      },
      {
        model: "tools/search:v1",
        kind: "http",
        prices: { ...zeroPrices, requestsNano: 5_000_000_000_000n },
        contextTokens: 0n,
        maxOutputTokens: 0n,
      },
    ],
    effectiveFromMs: 1_700_000_000_000,
  },
];

export function tariff() {
  return {
    description: "tariffHash = keccak256(UTF-8 of the RFC 8785 JSON)",
    cases: tariffs.map((one) => ({
      tariff: Tariff.toJson(one),
      canonicalJson: Wire.canonicalJson(Tariff.toJson(one)),
      tariffHash: Tariff.hash(one),
    })),
  };
}

export function quote() {
  const plan: Plan.Plan = {
    steps: [
      {
        id: "draft",
        kind: "chat",
        model: "gpt-sim",
        maxInputTokens: 4_000n,
        maxOutputTokens: 1_000n,
        maxCalls: 3,
      },
      {
        id: "embed",
        kind: "embeddings",
        model: "text-embedding-sim",
        providerId: 2,
        maxInputTokens: 8_000n,
        maxOutputTokens: 0n,
        maxCalls: 10,
      },
    ],
  };
  const refs = tariffs.map((one) => ({
    providerId: one.providerId,
    version: one.version,
    tariffHash: Tariff.hash(one),
  }));
  const value: Quote.Quote = {
    tenant,
    gateway,
    planHash: Quote.planHash(plan),
    tariffsHash: Quote.tariffsHash(refs),
    ceilingNano: plan.steps.reduce((sum, step) => sum + ceilingOf(step), 0n),
    issuedAt: 1_700_000_000n,
    expiresAt: 1_700_000_300n,
    nonce: bytes32("quote nonce"),
  };
  return {
    description:
      "EIP-712 digest of a quote, signed by the tariff service; the digest is a capability's quoteHash",
    domain: { name: Quote.DOMAIN_NAME, version: "1", ...domain },
    privateKey: tariffKey,
    signer: Wire.privateKeyToAddress(tariffKey),
    plan: Plan.toJson(plan),
    planHash: value.planHash,
    tariffs: refs,
    tariffsHash: value.tariffsHash,
    quote: Quote.toJson(value),
    digest: Quote.hash(value, domain),
    signature: Quote.sign(value, domain, tariffKey),
  };
}

function ceilingOf(step: Plan.PlanStep): bigint {
  const model = tariffs.flatMap(({ models }) => models).find((entry) => entry.model === step.model);
  return Plan.stepCeilingNano(step, model?.prices ?? zeroPrices);
}

export function capability() {
  const salt = bytes32("salt 1");
  const first: Capability.Capability = {
    tenant,
    jobId: Capability.jobId(tenant, salt),
    quoteHash: bytes32("quote hash"),
    maxSpendNano: 5_000_000_000n,
    holder: bytes32("holder"),
    binding: Capability.BINDING_EXPORTER,
    countersigned: true,
    validAfter: 1_700_000_000n,
    expiresAt: 1_700_003_600n,
    salt,
  };
  const largest: Capability.Capability = {
    ...first,
    maxSpendNano: MAX_UINT64,
    binding: Capability.BINDING_NONCE,
    countersigned: false,
    validAfter: 0n,
    expiresAt: MAX_UINT64,
  };
  return {
    description:
      "EIP-712 digest of a capability, signed by its tenant; jobId = keccak256(abi.encode(tenant, salt))",
    domain: { name: Capability.DOMAIN_NAME, version: "1", ...domain },
    privateKey: tenantKey,
    signer: tenant,
    cases: [first, largest].map((value) => ({
      capability: Capability.toJson(value),
      digest: Capability.hash(value, domain),
      signature: Capability.sign(value, domain, tenantKey),
    })),
  };
}
