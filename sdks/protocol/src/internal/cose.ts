import type { Hex } from "viem";
import { fromHex } from "./bytes.ts";
import { decodeCbor, encodeCbor } from "./cbor.ts";
import { signCompact, verifyCompact } from "./ecdsa.ts";
import { sha256 } from "./sha256.ts";

const HEADER_ALG = 1;
const HEADER_KID = 4;
const ALG_ES256K = -47;
const NO_BYTES = new Uint8Array(0);

export type Sign1 = {
  protectedHeader: Uint8Array;
  payload: Uint8Array;
  signature: Uint8Array;
  kid: Uint8Array;
};

/** Untagged COSE_Sign1 (RFC 9052) with ES256K (RFC 8812); the key id is protected. */
export function encodeSign1(payload: Uint8Array, kid: Uint8Array, privateKey: Hex): Uint8Array {
  const protectedHeader = encodeCbor(
    new Map<number, unknown>([
      [HEADER_ALG, ALG_ES256K],
      [HEADER_KID, kid],
    ]),
  );
  const signature = signCompact(toBeSigned(protectedHeader, payload), fromHex(privateKey, 32));
  return encodeCbor([protectedHeader, new Map(), payload, signature]);
}

/** Null for anything but an untagged, deterministic COSE_Sign1 whose protected header is {alg: ES256K, kid}. */
export function decodeSign1(bytes: Uint8Array): Sign1 | null {
  const message = decodeCbor(bytes);
  if (!Array.isArray(message) || message.length !== 4) return null;
  const [protectedHeader, unprotectedHeader, payload, signature]: unknown[] = message;
  if (!isBytes(protectedHeader) || !isBytes(payload) || !isBytes(signature, 64)) return null;
  if (!(unprotectedHeader instanceof Map) || unprotectedHeader.size !== 0) return null;
  const header = decodeCbor(protectedHeader);
  if (!(header instanceof Map) || header.size !== 2 || header.get(HEADER_ALG) !== ALG_ES256K) return null;
  const kid: unknown = header.get(HEADER_KID);
  if (!isBytes(kid, 33)) return null;
  return { protectedHeader, payload, signature, kid };
}

export function verifySign1(message: Sign1): boolean {
  return verifyCompact(toBeSigned(message.protectedHeader, message.payload), message.signature, message.kid);
}

export function isBytes(value: unknown, length?: number): value is Uint8Array {
  return value instanceof Uint8Array && (length === undefined || value.length === length);
}

/** Sig_structure of RFC 9052 section 4.4, without external data. */
export function sigStructure(protectedHeader: Uint8Array, payload: Uint8Array): Uint8Array {
  return encodeCbor(["Signature1", protectedHeader, NO_BYTES, payload]);
}

function toBeSigned(protectedHeader: Uint8Array, payload: Uint8Array): Uint8Array {
  return sha256(sigStructure(protectedHeader, payload));
}
