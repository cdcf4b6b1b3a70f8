import type { JsonWebKey } from "node:crypto";
import { Capability, HolderKey, ProtocolError, Quote, Wire } from "@tac/protocol";
import type { Hex } from "viem";
import { z } from "zod";
import { type HolderKeyring, importHolder } from "./HolderKeyring.ts";
import type { Job } from "./Job.ts";

/** Option of `exportJob`: whoever has the exported job can then spend its credit. */
export const withHolderKey: unique symbol = Symbol("tac.withHolderKey");

export type ExportOptions = { [withHolderKey]?: boolean };

/** A job as plain JSON: digits for amounts, lowercase hex for bytes. */
export type ExportedJob = {
  version: 1;
  signedQuote: ReturnType<typeof Quote.signedToJson>;
  capability: ReturnType<typeof Capability.toJson>;
  capabilitySignature: Hex;
  jwk: HolderKey.Jwk;
  lock: { transactionHash: Hex; blockNumber: string } | null;
  /** Present only when asked for with `withHolderKey`. */
  holderPrivateJwk?: JsonWebKey;
};

export function exportJob(job: Job, keyring: HolderKeyring, options: ExportOptions = {}): ExportedJob {
  return {
    version: 1,
    signedQuote: Quote.signedToJson(job.signedQuote),
    capability: Capability.toJson(job.capability),
    capabilitySignature: job.capabilitySignature,
    jwk: job.jwk,
    lock: job.lock && {
      transactionHash: job.lock.transactionHash,
      blockNumber: job.lock.blockNumber.toString(),
    },
    ...(options[withHolderKey] === true
      ? { holderPrivateJwk: keyring.find(job.capability.holder).privateKey.export({ format: "jwk" }) }
      : {}),
  };
}

const schema = z.strictObject({
  version: z.literal(1),
  signedQuote: Quote.signedSchema,
  capability: Capability.schema,
  capabilitySignature: Wire.accountSignature,
  jwk: HolderKey.schema,
  lock: z.strictObject({ transactionHash: Wire.bytes32, blockNumber: Wire.uint64 }).nullable(),
  holderPrivateJwk: z.record(z.string(), z.string()).optional(),
});

/**
 * Reads an exported job and takes its holder key, if it brings one, into the keyring. Throws `invalid_request` for a
 * document of another shape, `quote_mismatch` or `invalid_capability` when its parts do not belong together.
 */
export function importJob(exported: unknown, keyring: HolderKeyring, domain: Wire.Domain): Job {
  const { signedQuote, capability, capabilitySignature, jwk, lock, holderPrivateJwk } = Wire.parse(
    schema,
    exported,
  );
  Quote.checkConsistency(signedQuote);
  const quoteHash = Quote.hash(signedQuote.quote, domain);
  const holder = holderPrivateJwk && importHolder(holderPrivateJwk);
  const belongsTogether =
    capability.quoteHash === quoteHash &&
    capability.tenant === signedQuote.quote.tenant &&
    capability.jobId === Capability.jobId(capability.tenant, capability.salt) &&
    capability.holder === HolderKey.thumbprint(jwk) &&
    (holder === undefined || HolderKey.thumbprint(holder.jwk) === capability.holder);
  if (!belongsTogether) {
    throw new ProtocolError("invalid_capability", { detail: "The parts of the exported job do not match." });
  }
  if (holder) keyring.add(holder);
  return {
    tenant: capability.tenant,
    quoteHash,
    signedQuote,
    jobId: capability.jobId,
    capability,
    capabilityHash: Capability.hash(capability, domain),
    capabilitySignature,
    jwk,
    lock,
  };
}
