import { Capability, HolderKey, Plan, Quote, Tariff, Wire } from "@tac/protocol";
import type { Hex } from "viem";
import { hex32 } from "./hex32.ts";
import { domains, gatewayAddress, tariffKey } from "./identities.ts";
import { nowSeconds } from "./nowSeconds.ts";
import { chatTariff, embeddingTariff, plan } from "./tariffs.ts";

export type JobOptions = {
  maxSpendNano?: bigint;
  countersigned?: boolean;
  binding?: number;
  expiresInSeconds?: number;
  tenantKey?: Hex;
  owner?: { team?: string; user?: string };
  alter?: (grant: Grant) => void;
};

export type Grant = ReturnType<typeof makeGrant>;

/** What a tenant grants for the test plan, signed by nobody yet, so that a test may alter it. */
export function makeGrant(holder: HolderKey.Jwk, tenantKey: Hex, options: JobOptions = {}) {
  const tenant = Wire.privateKeyToAddress(tenantKey);
  const now = nowSeconds();
  const tariffs = [chatTariff, embeddingTariff].map((tariff) => ({
    providerId: tariff.providerId,
    version: tariff.version,
    tariffHash: Tariff.hash(tariff),
  }));
  const steps = plan.steps.map((step, index) => {
    const tariff = index === 0 ? chatTariff : embeddingTariff;
    const model = Tariff.findModel(tariff, step.model);
    if (model === undefined) throw new Error("no such model");
    return {
      ...step,
      providerId: tariff.providerId,
      tariffHash: Tariff.hash(tariff),
      ceilingNano: Plan.stepCeilingNano(step, model.prices),
    };
  });
  const quote: Quote.Quote = {
    tenant,
    gateway: gatewayAddress,
    planHash: Quote.planHash(plan),
    tariffsHash: Quote.tariffsHash(tariffs),
    ceilingNano: steps.reduce((sum, { ceilingNano }) => sum + ceilingNano, 0n),
    issuedAt: now,
    expiresAt: now + 300n,
    nonce: hex32(),
  };
  const salt = hex32();
  const capability: Capability.Capability = {
    tenant,
    jobId: Capability.jobId(tenant, salt),
    quoteHash: Quote.hash(quote, domains.quote),
    maxSpendNano: options.maxSpendNano ?? 100_000n,
    holder: HolderKey.thumbprint(holder),
    binding: options.binding ?? Capability.BINDING_EXPORTER,
    countersigned: options.countersigned ?? false,
    validAfter: now - 10n,
    expiresAt: now + BigInt(options.expiresInSeconds ?? 3_600),
    salt,
  };
  return { quote, tariffs, steps, capability, tenantKey, jwk: holder };
}

/** The body of a lock for this grant, signed as it then is. */
export function grantBody({ quote, tariffs, steps, capability, tenantKey, jwk }: Grant) {
  const signature = Quote.sign(quote, domains.quote, tariffKey);
  const signer = Wire.privateKeyToAddress(tariffKey);
  return {
    signedQuote: Quote.signedToJson({ quote, signature, signer, plan, tariffs, steps }),
    capability: Capability.toJson(capability),
    capabilitySignature: Capability.sign(capability, domains.capability, tenantKey),
    jwk,
  };
}
