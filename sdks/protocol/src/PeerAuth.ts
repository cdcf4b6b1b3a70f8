import { createPublicKey, type KeyObject, sign as signBytes, verify as verifyBytes } from "node:crypto";
import { ed25519 } from "@noble/curves/ed25519.js";
import { Header, PEER_MAX_SKEW_MS } from "./Constants.ts";
import { type ErrorCode, ProtocolError } from "./Errors.ts";
import { fromBase64url, toBase64url } from "./internal/bytes.ts";
import { sha256 } from "./internal/sha256.ts";

/** An HTTP request between enrolled nodes; `path` is the request target with its query. */
export type PeerRequest = { method: string; path: string; body?: Uint8Array | string };

export type PeerHeaders = { "x-peer": string; "x-peer-timestamp": string; "x-peer-signature": string };

export type VerifyInput = PeerRequest & {
  /** As Node reports them: lowercase names. */
  headers: Readonly<Record<string, string | string[] | undefined>>;
  nowMs: number;
  /** The enrolled key of a node (from `enrol`), or undefined for a stranger. */
  publicKeyOf(peer: string): KeyObject | undefined;
};

/**
 * Imports an Ed25519 public key (32 bytes, base64url). Refuses points of small order, whose signatures verify
 * for any message, and points outside the prime-order subgroup. Throws `invalid_request`.
 */
export function enrol(publicKey: string): KeyObject {
  const bytes = fromBase64url(publicKey);
  if (bytes?.length !== 32 || !isStrongPoint(bytes)) {
    throw new ProtocolError("invalid_request", {
      detail: "The key is not an Ed25519 point of full order.",
      param: "publicKey",
    });
  }
  return createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x: publicKey }, format: "jwk" });
}

/** Headers to send with the request. */
export function sign(
  request: PeerRequest & { peer: string; timestampMs: number },
  privateKey: KeyObject,
): PeerHeaders {
  const timestamp = request.timestampMs.toString();
  const signature = signBytes(null, signingInput(request, timestamp), privateKey);
  return {
    [Header.peer]: request.peer,
    [Header.peerTimestamp]: timestamp,
    [Header.peerSignature]: toBase64url(signature),
  };
}

/** The name of the peer that signed; `invalid_signature` otherwise. */
export function verify(input: VerifyInput): string {
  const peer = input.headers[Header.peer];
  const timestamp = input.headers[Header.peerTimestamp];
  const signatureText = input.headers[Header.peerSignature];
  if (typeof peer !== "string" || typeof timestamp !== "string" || typeof signatureText !== "string") {
    throw refusal("The request is not signed by a peer.");
  }
  const signature = signatureText.length === 86 ? fromBase64url(signatureText) : null;
  if (!/^[1-9][0-9]{0,15}$/.test(timestamp) || signature?.length !== 64) {
    throw refusal("The peer headers are malformed.");
  }
  if (Math.abs(input.nowMs - Number(timestamp)) > PEER_MAX_SKEW_MS) throw refusal("The request is too old.");
  const publicKey = input.publicKeyOf(peer);
  if (!publicKey) throw refusal("The peer is not enrolled.");
  if (!verifyBytes(null, signingInput(input, timestamp), publicKey, signature)) {
    throw refusal("The signature is not valid.");
  }
  return peer;
}

function signingInput(request: PeerRequest, timestamp: string): Uint8Array {
  const digest = toBase64url(sha256(request.body ?? ""));
  return Buffer.from(`${request.method}\n${request.path}\n${timestamp}\n${digest}`);
}

function isStrongPoint(bytes: Uint8Array): boolean {
  try {
    const point = ed25519.Point.fromBytes(bytes);
    return !point.isSmallOrder() && point.isTorsionFree();
  } catch {
    return false;
  }
}

function refusal(detail: string, code: ErrorCode = "invalid_signature"): ProtocolError {
  return new ProtocolError(code, { detail, param: Header.peerSignature });
}
