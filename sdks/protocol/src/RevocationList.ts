import type { Address, Hex } from "viem";
import { z } from "zod";
import { CLOCK_SKEW_SECONDS } from "./Constants.ts";
import { ProtocolError } from "./Errors.ts";
import { lower } from "./internal/bytes.ts";
import { hashJson } from "./internal/canonicalJson.ts";
import { recoverDigest, signDigest } from "./internal/ecdsa.ts";
import { type Domain, defineStruct } from "./internal/eip712.ts";
import { DOMAIN_NAME } from "./UsageReceipt.ts";
import * as Wire from "./Wire.ts";

/** One revoked job; it may be forgotten once its capability has expired. */
export type Entry = { seq: bigint; jobId: Hex; revokedAtMs: bigint; expiresAtMs: bigint };

/**
 * What a gateway signs about a stretch of its list: every entry after `afterSeq` and up to `toSeq` that has not expired
 * is there, `headSeq` is the newest of all, and nothing revoked before `issuedAtMs` is missing.
 */
export type Head = {
  gateway: Address;
  afterSeq: bigint;
  toSeq: bigint;
  headSeq: bigint;
  /** Unix milliseconds. */
  issuedAtMs: bigint;
  entriesHash: Hex;
};

export type Page = { head: Head & { signature: Hex }; entries: Entry[] };

/** Older than this, a list says nothing any more. */
export const MAX_AGE_MS = 5_000;
export const MAX_ENTRIES = 1_000;

const struct = defineStruct<Head>("RevocationList", DOMAIN_NAME, {
  gateway: "address",
  afterSeq: "uint64",
  toSeq: "uint64",
  headSeq: "uint64",
  issuedAtMs: "uint64",
  entriesHash: "bytes32",
});

/** EIP-712 digest under the domain of UsageReceipts. */
export function hash(
  { gateway, afterSeq, toSeq, headSeq, issuedAtMs, entriesHash }: Head,
  domain: Domain,
): Hex {
  return struct.digest({ gateway, afterSeq, toSeq, headSeq, issuedAtMs, entriesHash }, domain);
}

export const typedData = struct.typedData;

/** Signs a page as the gateway. */
export function sign(
  page: { head: Omit<Head, "entriesHash">; entries: readonly Entry[] },
  domain: Domain,
  gatewayPrivateKey: Hex,
): Page {
  const entries = [...page.entries];
  const head = { ...page.head, entriesHash: hashJson(entries.map(entryToJson)) };
  return { head: { ...head, signature: signDigest(hash(head, domain), gatewayPrivateKey) }, entries };
}

/**
 * Checks that the gateway itself said this, a moment ago, and that the page follows what is known. Times in Unix
 * milliseconds. Errors: `invalid_signature`; `revocations_unavailable` for a page that is too old, from the future, or
 * not the one that was asked for.
 */
export function verify(
  { head, entries }: Page,
  expected: { gateway: Address; afterSeq: bigint; nowMs: number; maxAgeMs?: number },
  domain: Domain,
): void {
  const issuedAtMs = Number(head.issuedAtMs);
  const { nowMs, maxAgeMs = MAX_AGE_MS } = expected;
  if (issuedAtMs < nowMs - maxAgeMs || issuedAtMs > nowMs + CLOCK_SKEW_SECONDS * 1_000) {
    throw unavailable("The list of revocations is too old, or from the future.");
  }
  const isOrdered = entries.every(
    ({ seq }, index) => seq > (entries[index - 1]?.seq ?? head.afterSeq) && seq <= head.toSeq,
  );
  if (
    head.afterSeq !== expected.afterSeq ||
    head.toSeq < head.afterSeq ||
    head.headSeq < head.toSeq ||
    !isOrdered
  ) {
    throw unavailable("The list of revocations does not follow the one before.");
  }
  const isSigned =
    head.gateway === lower(expected.gateway) &&
    head.entriesHash === hashJson(entries.map(entryToJson)) &&
    recoverDigest(hash(head, domain), head.signature) === head.gateway;
  if (!isSigned) {
    throw new ProtocolError("invalid_signature", {
      detail: "The list of revocations is not signed by its gateway.",
      param: "head.signature",
    });
  }
}

function unavailable(detail: string): ProtocolError {
  return new ProtocolError("revocations_unavailable", { detail });
}

/** Checks the form only; `verify` checks the rest. */
export const schema: z.ZodType<Page> = z.strictObject({
  head: z.strictObject({
    gateway: Wire.address,
    afterSeq: Wire.uint64,
    toSeq: Wire.uint64,
    headSeq: Wire.uint64,
    issuedAtMs: Wire.uint64,
    entriesHash: Wire.bytes32,
    signature: Wire.signature,
  }),
  entries: z
    .array(
      z.strictObject({
        seq: Wire.uint64,
        jobId: Wire.bytes32,
        revokedAtMs: Wire.uint64,
        expiresAtMs: Wire.uint64,
      }),
    )
    .max(MAX_ENTRIES),
});

function entryToJson({ seq, jobId, revokedAtMs, expiresAtMs }: Entry) {
  return {
    seq: seq.toString(),
    jobId: lower(jobId),
    revokedAtMs: revokedAtMs.toString(),
    expiresAtMs: expiresAtMs.toString(),
  };
}

export function toJson({ head, entries }: Page) {
  return {
    head: {
      gateway: lower(head.gateway),
      afterSeq: head.afterSeq.toString(),
      toSeq: head.toSeq.toString(),
      headSeq: head.headSeq.toString(),
      issuedAtMs: head.issuedAtMs.toString(),
      entriesHash: lower(head.entriesHash),
      signature: lower(head.signature),
    },
    entries: entries.map(entryToJson),
  };
}
