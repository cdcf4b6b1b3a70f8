import type { Address, Hex } from "viem";
import { z } from "zod";
import { ZERO_BYTES32 } from "./Constants.ts";
import type { DpopClaims } from "./DpopProof.ts";
import { fromBase64url, lower, toHex } from "./internal/bytes.ts";
import { recoverDigest, signDigest } from "./internal/ecdsa.ts";
import { type Domain, defineStruct } from "./internal/eip712.ts";
import { keccak, keccakHex } from "./internal/keccak.ts";
import { sha256 } from "./internal/sha256.ts";
import type { Units } from "./Pricing.ts";
import * as Wire from "./Wire.ts";

/** One metered call, signed by the gateway; the leaf of a batch's Merkle tree. */
export type UsageReceipt = {
  /** `UsageReceipt.receiptId` of the call. */
  receiptId: Hex;
  jobId: Hex;
  capabilityHash: Hex;
  gateway: Address;
  providerId: number;
  modelHash: Hex;
  inputTokens: bigint;
  cachedInputTokens: bigint;
  outputTokens: bigint;
  requests: bigint;
  durationMs: bigint;
  costNano: bigint;
  tariffHash: Hex;
  /** SHA-256 of the request body. */
  requestHash: Hex;
  /** SHA-256 of the response body delivered. */
  responseHash: Hex;
  /** `DpopProof.proofHash` of the caller's proof. */
  proofHash: Hex;
  countersigned: boolean;
  occurredAtMs: bigint;
};

/** Domain of everything that is signed around usage; the verifying contract is UsageReceipts. */
export const DOMAIN_NAME = "UsageReceipts";

const struct = defineStruct<UsageReceipt>("UsageReceipt", DOMAIN_NAME, {
  receiptId: "bytes32",
  jobId: "bytes32",
  capabilityHash: "bytes32",
  gateway: "address",
  providerId: "uint32",
  modelHash: "bytes32",
  inputTokens: "uint64",
  cachedInputTokens: "uint64",
  outputTokens: "uint64",
  requests: "uint64",
  durationMs: "uint64",
  costNano: "uint64",
  tariffHash: "bytes32",
  requestHash: "bytes32",
  responseHash: "bytes32",
  proofHash: "bytes32",
  countersigned: "bool",
  occurredAtMs: "uint64",
});

/** Which call of a job a proof is for: all retries of one call share it, and exactly one of the hashes is not zero. */
type CallIdentity = { gateway: Address; jobId: Hex; idempotencyKeyHash: Hex; proofIdHash: Hex };

const callIdentity = defineStruct<CallIdentity>("CallIdentity", DOMAIN_NAME, {
  gateway: "address",
  jobId: "bytes32",
  idempotencyKeyHash: "bytes32",
  proofIdHash: "bytes32",
});

/** The call as its caller's proof describes it; `gateway` is the issuer of the token that the proof is for. */
export type CallOfProof = { gateway: Address; jobId: Hex; claims: Pick<DpopClaims, "jti" | "ikh"> };

/**
 * The id of a call's receipt: the EIP-712 `hashStruct` of the gateway, the job, and what the caller signed to tell its
 * calls apart, `ikh`, or the hash of `jti` when the call has no Idempotency-Key. Every proof of one call gives the
 * same id, so at most one of them settles, and the same proof gives another id at another gateway.
 */
export function receiptId({ gateway, jobId, claims }: CallOfProof): Hex {
  const keyHash = claims.ikh === undefined ? null : fromBase64url(claims.ikh);
  const names =
    keyHash === null
      ? { idempotencyKeyHash: ZERO_BYTES32, proofIdHash: toHex(sha256(claims.jti)) }
      : { idempotencyKeyHash: toHex(keyHash), proofIdHash: ZERO_BYTES32 };
  return toHex(callIdentity.structHash({ gateway, jobId, ...names }));
}

/** The id of the receipt of a call with an Idempotency-Key, which its caller knows before there is a proof. */
export function receiptIdOfKey(call: { gateway: Address; jobId: Hex; idempotencyKey: string }): Hex {
  const { gateway, jobId } = call;
  const idempotencyKeyHash = toHex(sha256(call.idempotencyKey));
  return toHex(callIdentity.structHash({ gateway, jobId, idempotencyKeyHash, proofIdHash: ZERO_BYTES32 }));
}

/** EIP-712 digest that the gateway signs. */
export function hash(receipt: UsageReceipt, domain: Domain): Hex {
  return struct.digest(receipt, domain);
}

export function structHash(receipt: UsageReceipt): Hex {
  return toHex(struct.structHash(receipt));
}

/** Merkle leaf: keccak256 of the struct hash, so that no inner node can pass for a leaf. */
export function leaf(receipt: UsageReceipt): Hex {
  return toHex(keccak(struct.structHash(receipt)));
}

/** `hash` and `leaf` from one struct hash, which is most of the work of both. */
export function hashAndLeaf(receipt: UsageReceipt, domain: Domain): { hash: Hex; leaf: Hex } {
  const structHash = struct.structHash(receipt);
  return { hash: struct.digestOf(structHash, domain), leaf: toHex(keccak(structHash)) };
}

export const typedData = struct.typedData;

/** `keccak256(bytes(model))`. */
export function modelHash(model: string): Hex {
  return keccakHex(Buffer.from(model, "utf8"));
}

export function sign(receipt: UsageReceipt, domain: Domain, gatewayPrivateKey: Hex): Hex {
  return signDigest(hash(receipt, domain), gatewayPrivateKey);
}

/** Lowercase address of the signer, or null for a malformed or malleable signature. */
export function recover(receipt: UsageReceipt, signature: Hex, domain: Domain): Address | null {
  return recoverDigest(hash(receipt, domain), signature);
}

export function units(receipt: UsageReceipt): Units {
  const { inputTokens, cachedInputTokens, outputTokens, requests, durationMs } = receipt;
  return { inputTokens, cachedInputTokens, outputTokens, requests, durationMs };
}

export const schema: z.ZodType<UsageReceipt> = z.strictObject({
  receiptId: Wire.bytes32,
  jobId: Wire.bytes32,
  capabilityHash: Wire.bytes32,
  gateway: Wire.address,
  providerId: Wire.providerId,
  modelHash: Wire.bytes32,
  inputTokens: Wire.uint64,
  cachedInputTokens: Wire.uint64,
  outputTokens: Wire.uint64,
  requests: Wire.uint64,
  durationMs: Wire.uint64,
  costNano: Wire.uint64,
  tariffHash: Wire.bytes32,
  requestHash: Wire.bytes32,
  responseHash: Wire.bytes32,
  proofHash: Wire.bytes32,
  countersigned: z.boolean(),
  occurredAtMs: Wire.uint64,
});

/** `toJson` with its members in the order of RFC 8785: its `JSON.stringify` is canonical. */
export function toCanonical(receipt: UsageReceipt) {
  const json = toJson(receipt);
  return {
    cachedInputTokens: json.cachedInputTokens,
    capabilityHash: json.capabilityHash,
    costNano: json.costNano,
    countersigned: json.countersigned,
    durationMs: json.durationMs,
    gateway: json.gateway,
    inputTokens: json.inputTokens,
    jobId: json.jobId,
    modelHash: json.modelHash,
    occurredAtMs: json.occurredAtMs,
    outputTokens: json.outputTokens,
    proofHash: json.proofHash,
    providerId: json.providerId,
    receiptId: json.receiptId,
    requestHash: json.requestHash,
    requests: json.requests,
    responseHash: json.responseHash,
    tariffHash: json.tariffHash,
  } satisfies ReturnType<typeof toJson>;
}

export function toJson(receipt: UsageReceipt) {
  return {
    receiptId: lower(receipt.receiptId),
    jobId: lower(receipt.jobId),
    capabilityHash: lower(receipt.capabilityHash),
    gateway: lower(receipt.gateway),
    providerId: receipt.providerId,
    modelHash: lower(receipt.modelHash),
    inputTokens: receipt.inputTokens.toString(),
    cachedInputTokens: receipt.cachedInputTokens.toString(),
    outputTokens: receipt.outputTokens.toString(),
    requests: receipt.requests.toString(),
    durationMs: receipt.durationMs.toString(),
    costNano: receipt.costNano.toString(),
    tariffHash: lower(receipt.tariffHash),
    requestHash: lower(receipt.requestHash),
    responseHash: lower(receipt.responseHash),
    proofHash: lower(receipt.proofHash),
    countersigned: receipt.countersigned,
    occurredAtMs: receipt.occurredAtMs.toString(),
  };
}
