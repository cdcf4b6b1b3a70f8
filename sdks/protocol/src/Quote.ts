import { type Address, encodeAbiParameters, type Hex, keccak256 } from "viem";
import { z } from "zod";
import { ProtocolError } from "./Errors.ts";
import { lower } from "./internal/bytes.ts";
import { recoverDigest, signDigest } from "./internal/ecdsa.ts";
import { type Domain, defineStruct } from "./internal/eip712.ts";
import * as Plan from "./Plan.ts";
import * as Wire from "./Wire.ts";

/** The price promise of the tariff service for one plan of one tenant. Times are Unix seconds. */
export type Quote = {
  tenant: Address;
  gateway: Address;
  planHash: Hex;
  tariffsHash: Hex;
  ceilingNano: bigint;
  issuedAt: bigint;
  expiresAt: bigint;
  nonce: Hex;
};

/** Names one version of one provider's tariff. */
export type TariffRef = { providerId: number; version: number; tariffHash: Hex };

/** What a tenant needs to check a quote by itself. */
export type SignedQuote = {
  quote: Quote;
  signature: Hex;
  signer: Address;
  plan: Plan.Plan;
  tariffs: TariffRef[];
  steps: Plan.QuotedStep[];
};

/** EIP-712; the verifying contract is CapabilityAuthority. */
export const DOMAIN_NAME = "TariffQuote";

const struct = defineStruct<Quote>("Quote", DOMAIN_NAME, {
  tenant: "address",
  gateway: "address",
  planHash: "bytes32",
  tariffsHash: "bytes32",
  ceilingNano: "uint64",
  issuedAt: "uint64",
  expiresAt: "uint64",
  nonce: "bytes32",
});

/** EIP-712 digest; the `quoteHash` of a capability. */
export function hash(quote: Quote, domain: Domain): Hex {
  return struct.digest(quote, domain);
}

export const typedData = struct.typedData;

export function sign(quote: Quote, domain: Domain, privateKey: Hex): Hex {
  return signDigest(hash(quote, domain), privateKey);
}

/** Lowercase address of the signer, or null for a malformed or malleable signature. */
export function recover(quote: Quote, signature: Hex, domain: Domain): Address | null {
  return recoverDigest(hash(quote, domain), signature);
}

export const planHash = Plan.hash;

/** `keccak256(abi.encode(TariffRef(uint32,uint32,bytes32)[]))`, ascending by provider id and version. */
export function tariffsHash(tariffs: readonly TariffRef[]): Hex {
  const sorted = [...tariffs].sort(
    (left, right) => left.providerId - right.providerId || left.version - right.version,
  );
  return keccak256(encodeAbiParameters(TARIFF_REFS, [sorted]));
}

/**
 * Checks that a signed quote says one thing: plan, tariffs, steps and ceiling agree with what was signed. Throws
 * `quote_mismatch` naming the first member that does not. Signature, time and prices are the caller's to check.
 */
export function checkConsistency(signed: SignedQuote): void {
  const { quote, plan, tariffs, steps } = signed;
  const fail = (param: string) => {
    throw new ProtocolError("quote_mismatch", { detail: `The quote's ${param} does not match.`, param });
  };
  if (planHash(plan) !== lower(quote.planHash)) fail("planHash");
  if (tariffsHash(tariffs) !== lower(quote.tariffsHash)) fail("tariffsHash");
  const isPlanned = (step: Plan.QuotedStep, index: number) => {
    const planned = plan.steps[index];
    if (planned === undefined) return false;
    const { tariffHash: _tariffHash, ceilingNano: _ceilingNano, ...bounds } = step;
    return (
      Plan.hash({ steps: [{ ...planned, providerId: planned.providerId ?? step.providerId }] }) ===
      Plan.hash({ steps: [bounds] })
    );
  };
  if (steps.length !== plan.steps.length || !steps.every(isPlanned)) fail("steps");
  const isPriced = (step: Plan.QuotedStep) =>
    tariffs.some(
      (ref) => ref.providerId === step.providerId && lower(ref.tariffHash) === lower(step.tariffHash),
    );
  if (!steps.every(isPriced)) fail("tariffs");
  if (steps.reduce((sum, step) => sum + step.ceilingNano, 0n) !== quote.ceilingNano) fail("ceilingNano");
}

const TARIFF_REFS = [
  {
    type: "tuple[]",
    components: [
      { name: "providerId", type: "uint32" },
      { name: "version", type: "uint32" },
      { name: "tariffHash", type: "bytes32" },
    ],
  },
] as const;

export const schema: z.ZodType<Quote> = z.strictObject({
  tenant: Wire.address,
  gateway: Wire.address,
  planHash: Wire.bytes32,
  tariffsHash: Wire.bytes32,
  ceilingNano: Wire.uint64,
  issuedAt: Wire.uint64,
  expiresAt: Wire.uint64,
  nonce: Wire.bytes32,
});

export function toJson(quote: Quote) {
  return {
    tenant: lower(quote.tenant),
    gateway: lower(quote.gateway),
    planHash: lower(quote.planHash),
    tariffsHash: lower(quote.tariffsHash),
    ceilingNano: quote.ceilingNano.toString(),
    issuedAt: quote.issuedAt.toString(),
    expiresAt: quote.expiresAt.toString(),
    nonce: lower(quote.nonce),
  };
}

export const tariffRefSchema: z.ZodType<TariffRef> = z.strictObject({
  providerId: Wire.providerId,
  version: z.int().min(1).max(0xffff_ffff),
  tariffHash: Wire.bytes32,
});

export const signedSchema: z.ZodType<SignedQuote> = z.strictObject({
  quote: schema,
  signature: Wire.signature,
  signer: Wire.address,
  plan: Plan.schema,
  tariffs: z.array(tariffRefSchema).min(1).max(64),
  steps: z.array(Plan.quotedStepSchema).min(1).max(64),
});

export function signedToJson(signed: SignedQuote) {
  return {
    quote: toJson(signed.quote),
    signature: lower(signed.signature),
    signer: lower(signed.signer),
    plan: Plan.toJson(signed.plan),
    tariffs: signed.tariffs.map((ref) => ({ ...ref, tariffHash: lower(ref.tariffHash) })),
    steps: signed.steps.map(Plan.quotedStepToJson),
  };
}
