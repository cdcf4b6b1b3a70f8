import { randomBytes } from "node:crypto";
import {
  Capability,
  type DpopProof,
  HolderKey,
  Nano,
  Plan,
  Pricing,
  ProtocolError,
  Quote,
  Tariff,
  UsageAuth,
  UsageReceipt,
  Wire,
} from "@tac/protocol";
import type { Address, Hex } from "viem";
import { z } from "zod";
import {
  testDomains,
  testGatewayAddress,
  testGatewayKey,
  testTariffKey,
  testTariffSigner,
} from "./fixtures.ts";

const TRANSACTION_HASH: Hex = `0x${"d4".repeat(32)}`;

export type TestReceipt = { receipt: UsageReceipt.UsageReceipt; receiptSignature: Hex };

export type TestJob = {
  capability: Capability.Capability;
  capabilityHash: Hex;
  jwk: HolderKey.Jwk;
  signedQuote: Quote.SignedQuote;
  /** As the first lock named them. */
  owner: { team?: string; user?: string };
  status: "open" | "closed" | "settled";
  spentNano: bigint;
  receipts: TestReceipt[];
  /** How often the status is still asked for before the closed job is settled. */
  pollsUntilSettled: number;
};

export type TestJobs = {
  all: Map<Hex, TestJob>;
  quote(body: unknown): unknown;
  lock(body: unknown): { job: TestJob; answer: object };
  close(job: TestJob): object;
  status(job: TestJob): object;
  charge(
    job: TestJob,
    call: { model: string; units: Pricing.Units; proof: DpopProof.DpopProof },
  ): TestReceipt;
  /** Seconds a token issued from now on lives. */
  tokenLifetimeSeconds: number;
};

const quoteBody = z.strictObject({ tenant: Wire.address, plan: Plan.schema });
const lockBody = z.strictObject({
  signedQuote: Quote.signedSchema,
  capability: Capability.schema,
  capabilitySignature: Wire.accountSignature,
  jwk: HolderKey.schema,
  owner: z.strictObject({ team: z.string().exactOptional(), user: z.string().exactOptional() }).default({}),
});

const nowSeconds = () => Math.floor(Date.now() / 1000);
const random32 = (): Hex => Wire.toHex(randomBytes(32));

/** Quotes, locks, charges and settles as a gateway would, with real signatures and no chain. */
export function createTestJobs(tariffs: Tariff.Tariff[]): TestJobs {
  const all = new Map<Hex, TestJob>();

  function priceOf(model: string, providerId?: number) {
    const tariff = tariffs.find(
      (entry) =>
        (providerId === undefined || entry.providerId === providerId) && Tariff.findModel(entry, model),
    );
    const entry = tariff && Tariff.findModel(tariff, model);
    if (!tariff || !entry) throw new ProtocolError("unknown_model", { param: "model" });
    return { tariff, prices: entry.prices };
  }

  const jobs: TestJobs = {
    all,
    tokenLifetimeSeconds: 300,
    quote(body) {
      const { tenant, plan } = Wire.parse(quoteBody, body);
      return Quote.signedToJson(signQuote(tenant, plan, priceOf));
    },
    lock(body) {
      const { signedQuote, capability, capabilitySignature, jwk, owner } = Wire.parse(lockBody, body);
      if (!Capability.verifySignature(capability, capabilitySignature, testDomains.capability)) {
        throw new ProtocolError("invalid_capability");
      }
      if (capability.quoteHash !== Quote.hash(signedQuote.quote, testDomains.quote)) {
        throw new ProtocolError("quote_mismatch");
      }
      const known = all.get(capability.jobId);
      const job: TestJob = known ?? {
        capability,
        capabilityHash: Capability.hash(capability, testDomains.capability),
        jwk,
        signedQuote,
        owner,
        status: "open",
        spentNano: 0n,
        receipts: [],
        pollsUntilSettled: 2,
      };
      all.set(capability.jobId, job);
      return { job, answer: lockAnswer(job, jobs.tokenLifetimeSeconds) };
    },
    close(job) {
      job.status = "closed";
      return { jobId: job.capability.jobId, closedAtMs: Date.now() };
    },
    status(job) {
      if (job.status === "closed" && job.pollsUntilSettled-- <= 0) job.status = "settled";
      return {
        jobId: job.capability.jobId,
        status: job.status,
        lockedNano: Nano.toJson(job.capability.maxSpendNano),
        heldNano: "0",
        spentNano: Nano.toJson(job.spentNano),
        receipts: job.receipts.length,
        settlements: job.status === "settled" ? [settlementOf(job)] : [],
      };
    },
    charge(job, { model, units, proof }) {
      const step = job.signedQuote.steps.find((candidate) => candidate.model === model);
      if (!step) throw new ProtocolError("model_not_allowed", { param: "model" });
      if (job.status !== "open") throw new ProtocolError("job_closed");
      const { tariff, prices } = priceOf(model, step.providerId);
      const costNano = Pricing.costNano(units, prices);
      if (job.spentNano + costNano > job.capability.maxSpendNano) throw new ProtocolError("credit_exhausted");
      job.spentNano += costNano;
      const { jobId } = job.capability;
      const receipt: UsageReceipt.UsageReceipt = {
        ...units,
        receiptId: UsageReceipt.receiptId({ gateway: testGatewayAddress, jobId, claims: proof.claims }),
        jobId,
        capabilityHash: job.capabilityHash,
        gateway: testGatewayAddress,
        providerId: tariff.providerId,
        modelHash: UsageReceipt.modelHash(model),
        costNano,
        tariffHash: Tariff.hash(tariff),
        requestHash: random32(),
        responseHash: random32(),
        proofHash: proof.proofHash,
        countersigned: false,
        occurredAtMs: BigInt(Date.now()),
      };
      const receiptSignature = UsageReceipt.sign(receipt, testDomains.usageReceipts, testGatewayKey);
      const signed = { receipt, receiptSignature };
      job.receipts.push(signed);
      return signed;
    },
  };
  return jobs;
}

type PriceOf = (model: string, providerId?: number) => { tariff: Tariff.Tariff; prices: Pricing.Prices };

function signQuote(tenant: Address, plan: Plan.Plan, priceOf: PriceOf): Quote.SignedQuote {
  const priced = plan.steps.map((step) => ({ step, ...priceOf(step.model, step.providerId) }));
  const steps = priced.map(({ step, tariff, prices }) => ({
    ...step,
    providerId: tariff.providerId,
    tariffHash: Tariff.hash(tariff),
    ceilingNano: Plan.stepCeilingNano(step, prices),
  }));
  const used = [...new Set(priced.map(({ tariff }) => tariff))];
  const tariffs = used.map((tariff) => ({
    providerId: tariff.providerId,
    version: tariff.version,
    tariffHash: Tariff.hash(tariff),
  }));
  const quote: Quote.Quote = {
    tenant,
    gateway: testGatewayAddress,
    planHash: Plan.hash(plan),
    tariffsHash: Quote.tariffsHash(tariffs),
    ceilingNano: steps.reduce((sum, step) => sum + step.ceilingNano, 0n),
    issuedAt: BigInt(nowSeconds()),
    expiresAt: BigInt(nowSeconds() + 300),
    nonce: random32(),
  };
  const signature = Quote.sign(quote, testDomains.quote, testTariffKey);
  return { quote, signature, signer: testTariffSigner, plan, tariffs, steps };
}

function lockAnswer(job: TestJob, lifetimeSeconds: number): object {
  const { capability, capabilityHash, jwk, signedQuote } = job;
  const usageAuth = UsageAuth.issue(
    {
      tenant: capability.tenant,
      issuedAt: nowSeconds(),
      notBefore: nowSeconds(),
      expiresAt: nowSeconds() + lifetimeSeconds,
      tokenId: Wire.toHex(randomBytes(16)),
      jwk,
      capabilityHash,
      jobId: capability.jobId,
      providers: [...new Set(signedQuote.steps.map(({ providerId }) => providerId))],
      models: [...new Set(signedQuote.steps.map(({ model }) => model))],
      remainingNano: capability.maxSpendNano - job.spentNano,
      binding: capability.binding,
      countersigned: capability.countersigned,
    },
    testGatewayKey,
  );
  return {
    jobId: capability.jobId,
    capabilityHash,
    transactionHash: TRANSACTION_HASH,
    blockNumber: "12",
    usageAuth,
    usageAuthExpiresAt: nowSeconds() + lifetimeSeconds,
    lockedNano: Nano.toJson(capability.maxSpendNano),
    spentNano: Nano.toJson(job.spentNano),
    endedBy: job.status === "open" ? null : "job_closed",
  };
}

export function settlementOf(job: TestJob) {
  return {
    batchNumber: "3",
    batchHash: job.capabilityHash,
    transactionHash: TRANSACTION_HASH,
    blockNumber: "20",
  };
}
