import { createHash, type KeyObject, randomBytes } from "node:crypto";
import {
  Capability,
  Deployment,
  DpopProof,
  type FeedEvent,
  HolderKey,
  type Plan,
  Pricing,
  ProtocolError,
  Quote,
  Tariff,
  UsageAuth,
  UsageReceipt,
  UsageReport,
  Wire,
} from "@tac/protocol";
import type { Address, Hex } from "viem";

export const hex32 = (): Hex => `0x${randomBytes(32).toString("hex")}`;
const address = (digit: string): Address => `0x${digit.repeat(40)}`;

export const deployment: Deployment.Deployment = {
  chainId: 31_337,
  startBlock: 1n,
  asset: address("1"),
  creditToken: address("2"),
  creditVault: address("3"),
  providerRegistry: address("4"),
  usageReceipts: address("5"),
  settlementTreasury: address("6"),
  paramGovernor: address("7"),
  capabilityAuthority: address("8"),
  sessionChannels: address("9"),
};
export const domains = Deployment.domains(deployment);

export type TestAccount = { privateKey: Hex; address: Address };

export const account = (): TestAccount => {
  const privateKey = hex32();
  return { privateKey, address: Wire.privateKeyToAddress(privateKey) };
};

export const tariffSigner = account();
export const providerKeys = new Map<number, TestAccount>([
  [1, account()],
  [2, account()],
]);

const prices = (inputTokensNano: bigint, outputTokensNano: bigint): Pricing.Prices => ({
  inputTokensNano,
  cachedInputTokensNano: 0n,
  outputTokensNano,
  requestsNano: 0n,
  durationMsNano: 0n,
});

const model = (name: string, kind: Tariff.Kind, price: Pricing.Prices): Tariff.TariffModel => ({
  model: name,
  kind,
  prices: price,
  contextTokens: 8_000n,
  maxOutputTokens: 4_000n,
});

export const tariffs: Tariff.Tariff[] = [
  {
    providerId: 1,
    version: 1,
    currency: "CREDIT",
    effectiveFromMs: 0,
    models: [model("chat-small", "chat", prices(1_000_000_000n, 2_000_000_000n))],
  },
  {
    providerId: 2,
    version: 1,
    currency: "CREDIT",
    effectiveFromMs: 0,
    models: [model("embed-small", "embeddings", prices(100_000_000n, 0n))],
  },
];

export const tariffOf = (providerId: number): Tariff.Tariff => {
  const found = tariffs.find((tariff) => tariff.providerId === providerId);
  if (found === undefined) throw new Error(`no tariff of ${providerId}`);
  return found;
};

export type TestJob = {
  gateway: TestAccount;
  tenant: TestAccount;
  holder: { privateKey: KeyObject; jwk: HolderKey.Jwk };
  capability: Capability.Capability;
  capabilityHash: Hex;
  opened: FeedEvent.JobOpened;
  usageAuth: string;
};

export type JobChoices = {
  maxSpendNano?: bigint;
  countersigned?: boolean;
  binding?: number;
  capability?: Partial<Capability.Capability>;
  quote?: Partial<Quote.Quote>;
  quoteSigner?: TestAccount;
  token?: Partial<UsageAuth.Claims>;
};

const nowSeconds = (): number => Math.floor(Date.now() / 1000);

const plan: Plan.Plan = {
  steps: [
    {
      id: "chat",
      kind: "chat",
      model: "chat-small",
      providerId: 1,
      maxInputTokens: 100n,
      maxOutputTokens: 100n,
      maxCalls: 10,
    },
    {
      id: "embed",
      kind: "embeddings",
      model: "embed-small",
      providerId: 2,
      maxInputTokens: 100n,
      maxOutputTokens: 0n,
      maxCalls: 10,
    },
  ],
};

const signQuote = (gateway: Address, tenant: Address, choices: JobChoices): Quote.SignedQuote => {
  const refs = tariffs.map((tariff) => ({
    providerId: tariff.providerId,
    version: tariff.version,
    tariffHash: Tariff.hash(tariff),
  }));
  const quote: Quote.Quote = {
    tenant,
    gateway,
    planHash: Quote.planHash(plan),
    tariffsHash: Quote.tariffsHash(refs),
    ceilingNano: 2_000n,
    issuedAt: BigInt(nowSeconds()),
    expiresAt: BigInt(nowSeconds() + 300),
    nonce: hex32(),
    ...choices.quote,
  };
  const signer = choices.quoteSigner ?? tariffSigner;
  return {
    quote,
    signature: Quote.sign(quote, domains.quote, signer.privateKey),
    signer: signer.address,
    plan,
    tariffs: refs,
    steps: plan.steps.map((step) => ({
      ...step,
      providerId: step.providerId ?? 1,
      tariffHash: Tariff.hash(tariffOf(step.providerId ?? 1)),
      ceilingNano: 1_000n,
    })),
  };
};

/** A job as a tenant, a tariff service and a gateway would make it together; choices put one thing out of order. */
export const openJob = (gateway: TestAccount, choices: JobChoices = {}): TestJob => {
  const tenant = account();
  const holder = HolderKey.generate();
  const signedQuote = signQuote(gateway.address, tenant.address, choices);
  const salt = hex32();
  const capability: Capability.Capability = {
    tenant: tenant.address,
    jobId: Capability.jobId(tenant.address, salt),
    quoteHash: Quote.hash(signedQuote.quote, domains.quote),
    maxSpendNano: choices.maxSpendNano ?? 10_000_000n,
    holder: HolderKey.thumbprint(holder.jwk),
    binding: choices.binding ?? Capability.BINDING_NONCE,
    countersigned: choices.countersigned ?? false,
    validAfter: BigInt(nowSeconds() - 600),
    expiresAt: BigInt(nowSeconds() + 3_600),
    salt,
    ...choices.capability,
  };
  const capabilityHash = Capability.hash(capability, domains.capability);
  const usageAuth = UsageAuth.issue(
    {
      tenant: tenant.address,
      expiresAt: nowSeconds() + 600,
      notBefore: nowSeconds() - 10,
      issuedAt: nowSeconds() - 10,
      tokenId: `0x${randomBytes(16).toString("hex")}`,
      jwk: holder.jwk,
      capabilityHash,
      jobId: capability.jobId,
      providers: [1, 2],
      models: ["chat-small", "embed-small"],
      remainingNano: capability.maxSpendNano,
      binding: capability.binding,
      countersigned: capability.countersigned,
      ...choices.token,
    },
    gateway.privateKey,
  );
  return {
    gateway,
    tenant,
    holder,
    capability,
    capabilityHash,
    opened: {
      capability,
      capabilitySignature: Capability.sign(capability, domains.capability, tenant.privateKey),
      signedQuote,
    },
    usageAuth,
  };
};

export type CallChoices = {
  providerId?: number;
  inputTokens?: bigint;
  outputTokens?: bigint;
  receipt?: Partial<UsageReceipt.UsageReceipt>;
  receiptSigner?: TestAccount;
  proof?: Partial<DpopProof.CreateInput>;
  proofKey?: KeyObject;
  /** False: the proof of a first attempt, which the gateway answered with a nonce. */
  hasNonce?: boolean;
  /** Replaces the proof altogether; the receipt names the hash of this one. */
  rawProof?: string;
  usageAuth?: string;
  report?: Partial<UsageReport.UsageReport> | null;
  reportSigner?: TestAccount;
};

/** One metered call with everything a gateway records of it. */
export const call = (job: TestJob, choices: CallChoices = {}): FeedEvent.Usage => {
  const providerId = choices.providerId ?? 1;
  const tariff = tariffOf(providerId);
  const [priced] = tariff.models;
  if (priced === undefined) throw new Error("a tariff has models");
  const body = `{"model":"${priced.model}","salt":"${hex32()}"}`;
  const usageAuth = choices.usageAuth ?? job.usageAuth;
  const proof =
    choices.rawProof ??
    DpopProof.create(
      {
        method: "POST",
        url: "https://127.0.0.1:8443/v1/chat/completions",
        nowSeconds: nowSeconds(),
        ...(choices.hasNonce === false ? {} : { nonce: "of-the-gateway" }),
        usageAuth,
        body,
        maxCostNano: 1_000_000n,
        ...choices.proof,
      },
      choices.proofKey ?? job.holder.privateKey,
    );
  const units: Pricing.Units = {
    ...Pricing.ZERO_UNITS,
    inputTokens: choices.inputTokens ?? 10n,
    outputTokens: choices.outputTokens ?? (providerId === 1 ? 5n : 0n),
    requests: 1n,
  };
  const receipt: UsageReceipt.UsageReceipt = {
    receiptId: receiptIdOf(proof, job),
    jobId: job.capability.jobId,
    capabilityHash: job.capabilityHash,
    gateway: job.gateway.address,
    providerId,
    modelHash: UsageReceipt.modelHash(priced.model),
    ...units,
    costNano: Pricing.costNano(units, priced.prices),
    tariffHash: Tariff.hash(tariff),
    requestHash: `0x${createHash("sha256").update(body).digest("hex")}`,
    responseHash: hex32(),
    proofHash: DpopProof.proofHash(proof),
    countersigned: choices.report !== undefined && choices.report !== null,
    occurredAtMs: BigInt(Date.now()),
    ...choices.receipt,
  };
  const signer = choices.reportSigner ?? providerKeys.get(providerId);
  if (signer === undefined) throw new Error(`no key of provider ${providerId}`);
  const { receiptId, jobId, modelHash } = receipt;
  const report = {
    receiptId,
    jobId,
    providerId,
    modelHash,
    ...UsageReceipt.units(receipt),
    ...choices.report,
  };
  return {
    receipt,
    receiptSignature: UsageReceipt.sign(
      receipt,
      domains.usageReceipts,
      (choices.receiptSigner ?? job.gateway).privateKey,
    ),
    proof,
    usageAuth,
    usageReport:
      choices.report === undefined || choices.report === null
        ? null
        : UsageReport.sign(report, domains.usageReceipts, signer.privateKey),
  };
};

/** A proof that cannot be read has no call; its receipt gets an id that no call has. */
const receiptIdOf = (proof: string, { gateway, capability }: TestJob): Hex => {
  const call = { gateway: gateway.address, jobId: capability.jobId };
  try {
    return UsageReceipt.receiptId({ ...call, claims: DpopProof.parse(proof).claims });
  } catch (error) {
    if (error instanceof ProtocolError) return hex32();
    throw error;
  }
};

export const closeJob = (job: TestJob, proof: Partial<DpopProof.CreateInput> = {}): FeedEvent.JobClosed => ({
  jobId: job.capability.jobId,
  usageAuth: job.usageAuth,
  proof: DpopProof.create(
    {
      method: "POST",
      url: "https://127.0.0.1:8443/v1/jobs/close",
      nowSeconds: nowSeconds(),
      nonce: "of-the-gateway",
      usageAuth: job.usageAuth,
      body: "{}",
      ...proof,
    },
    job.holder.privateKey,
  ),
});
