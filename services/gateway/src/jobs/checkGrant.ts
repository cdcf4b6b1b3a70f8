import { Capability, type Deployment, Errors, HolderKey, Plan, Quote, Tariff } from "@tac/protocol";
import type { Address, Hex } from "viem";

/** Whose budgets a job counts against, besides its tenant's. */
export type JobOwner = { team?: string; user?: string };

/** A tenant's request to open a job at this gateway. */
export type Grant = {
  signedQuote: Quote.SignedQuote;
  capability: Capability.Capability;
  capabilitySignature: Hex;
  jwk: HolderKey.Jwk;
  /** Stated in the body, which the holder's proof signs. */
  owner: JobOwner;
};

export type GrantContext = {
  gateway: Address;
  tariffSigners: readonly Address[];
  domains: Deployment.Domains;
  nowSeconds: number;
  /** False when the server speaks plain HTTP, which has no exporter to bind to. */
  bindsConnections: boolean;
};

const LARGEST_STORED_NANO = 2n ** 63n - 1n;

/**
 * Whether quote, capability and key fit each other and this gateway; the tenant's own signature is for the chain to
 * judge. Times are not looked at: a job that is locked outlives its quote, and its capability too.
 * Errors: `invalid_signature`, `quote_mismatch`, `invalid_capability`, `binding_unsupported`.
 */
export function checkGrant(grant: Grant, context: GrantContext): void {
  const { capability, jwk } = grant;
  checkQuote(grant.signedQuote, context);
  checkMatch(grant, context);
  if (capability.jobId !== Capability.jobId(capability.tenant, capability.salt)) {
    throw Errors.fromCode("invalid_capability", {
      param: "capability.jobId",
      detail: "The job id is not the salt's.",
    });
  }
  if (HolderKey.thumbprint(jwk) !== capability.holder) {
    throw Errors.fromCode("invalid_capability", {
      param: "jwk",
      detail: "The key is not the capability's holder.",
    });
  }
  if (capability.maxSpendNano === 0n || capability.maxSpendNano > LARGEST_STORED_NANO) {
    throw Errors.fromCode("invalid_capability", {
      param: "capability.maxSpendNano",
      detail: "No such amount.",
    });
  }
  if (capability.binding === Capability.BINDING_EXPORTER && !context.bindsConnections) {
    throw Errors.fromCode("binding_unsupported", { param: "capability.binding" });
  }
}

/** Whether a job may be opened now. Errors: `capability_expired`, `capability_not_yet_valid`. */
export function checkGrantTime({ capability }: Grant, { nowSeconds }: GrantContext): void {
  if (BigInt(nowSeconds) >= capability.expiresAt) throw Errors.fromCode("capability_expired");
  if (BigInt(nowSeconds) < capability.validAfter) throw Errors.fromCode("capability_not_yet_valid");
}

function checkQuote(signed: Quote.SignedQuote, { domains, tariffSigners }: GrantContext): void {
  const signer = Quote.recover(signed.quote, signed.signature, domains.quote);
  if (signer === null || signer !== signed.signer || !tariffSigners.includes(signer)) {
    throw Errors.fromCode("invalid_signature", {
      param: "signedQuote.signature",
      detail: "The quote is not signed by a tariff service this gateway knows.",
    });
  }
  Quote.checkConsistency(signed);
}

/** Whether each step's ceiling follows from its tariff. Errors: `quote_mismatch`. */
export function checkPrices({ steps }: Quote.SignedQuote, tariffs: ReadonlyMap<Hex, Tariff.Tariff>): void {
  steps.forEach((step, index) => {
    const tariff = tariffs.get(step.tariffHash);
    const model = tariff && Tariff.findModel(tariff, step.model);
    const isPriced =
      model?.kind === step.kind && Plan.stepCeilingNano(step, model.prices) === step.ceilingNano;
    if (!isPriced) throw mismatch(`steps.${index}`, "The tariff prices this step differently.");
  });
}

function checkMatch({ signedQuote: { quote }, capability }: Grant, { gateway, domains }: GrantContext): void {
  if (quote.gateway !== gateway) throw mismatch("quote.gateway", "The quote is for another gateway.");
  if (quote.tenant !== capability.tenant) throw mismatch("quote.tenant", "The quote is for another tenant.");
  if (capability.quoteHash !== Quote.hash(quote, domains.quote)) {
    throw Errors.fromCode("quote_mismatch", { param: "capability.quoteHash" });
  }
  if (capability.maxSpendNano > quote.ceilingNano) {
    throw Errors.fromCode("quote_mismatch", {
      param: "capability.maxSpendNano",
      detail: "The capability spends more than the quote's ceiling.",
    });
  }
}

function mismatch(field: string, detail: string) {
  return Errors.fromCode("quote_mismatch", { param: `signedQuote.${field}`, detail });
}
