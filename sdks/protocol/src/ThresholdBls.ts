import { bls12_381 } from "@noble/curves/bls12-381.js";
import { type Hex, keccak256 } from "viem";
import { ProtocolError } from "./Errors.ts";
import { fromHex, toHex } from "./internal/bytes.ts";

/** BLS12-381 with the signature on G1 and the key on G2; points travel in the encoding of EIP-2537. */
export const SIGNATURE_DST = "BLS_SIG_BLS12381G1_XMD:SHA-256_SSWU_RO_POP_";
export const POSSESSION_DST = "BLS_POP_BLS12381G1_XMD:SHA-256_SSWU_RO_POP_";

/** `index` is the replica's x-coordinate in the sharing, from 1. */
export type PartialSignature = { index: number; signature: Hex };

const { G1, G2, shortSignatures } = bls12_381;
const { Fr } = bls12_381.fields;
type G1Point = ReturnType<typeof G1.Point.fromAffine>;
type G2Point = ReturnType<typeof G2.Point.fromAffine>;

/** RFC 9380 hash-to-curve (BLS12381G1_XMD:SHA-256_SSWU_RO_) of a 32-byte message, encoded. */
export function hashToPoint(message: Hex, dst: string = SIGNATURE_DST): Hex {
  return encodeG1(messagePoint(message, dst));
}

/** Public key (256 bytes) of a scalar: of a share, or of a whole secret. */
export function publicKey(scalar: Hex): Hex {
  return encodeG2(shortSignatures.getPublicKey(secretBytes(scalar)));
}

/** Signature (128 bytes) by one share, or by a whole secret. */
export function partialSign(message: Hex, shareScalar: Hex, dst: string = SIGNATURE_DST): Hex {
  return encodeG1(shortSignatures.sign(messagePoint(message, dst), secretBytes(shareScalar)));
}

export function verifyPartial(
  message: Hex,
  signature: Hex,
  sharePublicKey: Hex,
  dst: string = SIGNATURE_DST,
): boolean {
  return verify(message, signature, sharePublicKey, dst);
}

/**
 * Lagrange interpolation at zero. Exactly the shares given are used: pass at least the threshold. Throws
 * `invalid_request` for no share, a repeated index, or one that is not a positive integer, and
 * `invalid_signature` for a malformed point. Check the outcome with `verify`.
 */
export function combine(partials: readonly PartialSignature[]): Hex {
  const indices = checkedIndices(partials);
  const sum = partials.reduce<G1Point>(
    (total, { index, signature }) =>
      total.add(decodeG1(signature).multiplyUnsafe(coefficientAtZero(index, indices))),
    G1.Point.ZERO,
  );
  if (sum.is0()) throw new ProtocolError("invalid_signature", { detail: "The shares add up to nothing." });
  return encodeG1(sum);
}

/**
 * The group key that the named shares' public keys interpolate to. Throws as `combine` does. Shares of one group
 * give its key for any set of at least the threshold.
 */
export function combinePublicKeys(shares: readonly { index: number; publicKey: Hex }[]): Hex {
  const indices = checkedIndices(shares);
  const sum = shares.reduce<G2Point>(
    (total, share) =>
      total.add(decodeG2(share.publicKey).multiplyUnsafe(coefficientAtZero(share.index, indices))),
    G2.Point.ZERO,
  );
  if (sum.is0()) throw new ProtocolError("invalid_signature", { detail: "The shares add up to nothing." });
  return encodeG2(sum);
}

/** True when `signature` is valid under `groupPublicKey`; false for malformed points too. */
export function verify(
  message: Hex,
  signature: Hex,
  groupPublicKey: Hex,
  dst: string = SIGNATURE_DST,
): boolean {
  const signaturePoint = tryDecode(() => decodeG1(signature));
  const keyPoint = tryDecode(() => decodeG2(groupPublicKey));
  if (signaturePoint === null || keyPoint === null) return false;
  return shortSignatures.verify(signaturePoint, messagePoint(message, dst), keyPoint);
}

/** What a key's owner signs under `POSSESSION_DST`: keccak256 of the encoded key. Stops rogue keys. */
export function possessionMessage(publicKey256: Hex): Hex {
  return keccak256(fromHex(publicKey256, 256));
}

export function encodeG1(point: G1Point): Hex {
  const { x, y } = point.toAffine();
  return toHex(Buffer.concat([x, y].map(encodeField)));
}

export function encodeG2(point: G2Point): Hex {
  const { x, y } = point.toAffine();
  return toHex(Buffer.concat([x.c0, x.c1, y.c0, y.c1].map(encodeField)));
}

/** Refuses, with `invalid_signature`, infinity and points off the curve or outside the prime-order subgroup. */
export function decodeG1(encoded: Hex): G1Point {
  const [x, y] = decodeFields(encoded, 2);
  return checked(() => G1.Point.fromAffine({ x, y }));
}

/** Refuses, with `invalid_signature`, infinity and points off the curve or outside the prime-order subgroup. */
export function decodeG2(encoded: Hex): G2Point {
  const [x0, x1, y0, y1] = decodeFields(encoded, 4);
  return checked(() => G2.Point.fromAffine({ x: { c0: x0, c1: x1 }, y: { c0: y0, c1: y1 } }));
}

const FIELD_BYTES = 64;

function encodeField(element: bigint): Uint8Array {
  return Buffer.from(element.toString(16).padStart(2 * FIELD_BYTES, "0"), "hex");
}

type FieldElements = [bigint, bigint, bigint, bigint];

function decodeFields(encoded: Hex, count: number): FieldElements {
  const elements: FieldElements = [0n, 0n, 0n, 0n];
  if (!/^0x[0-9a-f]*$/.test(encoded) || encoded.length !== 2 + 2 * FIELD_BYTES * count) throw notAPoint();
  for (let index = 0; index < count; index++) {
    const start = 2 + 2 * FIELD_BYTES * index;
    elements[index] = BigInt(`0x${encoded.slice(start, start + 2 * FIELD_BYTES)}`);
  }
  if (elements.every((element) => element === 0n)) throw notAPoint();
  return elements;
}

function checked<Point extends { assertValidity(): void }>(decode: () => Point): Point {
  try {
    const point = decode();
    point.assertValidity();
    return point;
  } catch (cause) {
    throw notAPoint(cause);
  }
}

function notAPoint(cause?: unknown): ProtocolError {
  return new ProtocolError("invalid_signature", {
    detail: "Not an EIP-2537 encoding of a point of the prime-order subgroup.",
    cause,
  });
}

function tryDecode<Point>(decode: () => Point): Point | null {
  try {
    return decode();
  } catch (error) {
    if (error instanceof ProtocolError) return null;
    throw error;
  }
}

function messagePoint(message: Hex, dst: string): G1Point {
  return shortSignatures.hash(fromHex(message, 32), dst);
}

function secretBytes(scalar: Hex): Uint8Array {
  const bytes = fromHex(scalar, 32);
  const value = BigInt(scalar);
  if (value === 0n || value >= Fr.ORDER) throw new RangeError("A secret scalar is between 1 and the order.");
  return bytes;
}

function checkedIndices(shares: readonly { index: number }[]): number[] {
  const indices = shares.map(({ index }) => index);
  const areIndices = indices.every((index) => Number.isSafeInteger(index) && index > 0);
  if (indices.length === 0 || !areIndices || new Set(indices).size !== indices.length) {
    throw new ProtocolError("invalid_request", {
      detail: "Shares have distinct positive indices.",
      param: "index",
    });
  }
  return indices;
}

/** The Lagrange coefficient at zero of one of several distinct indices, modulo the group order. */
export function coefficientAtZero(index: number, indices: readonly number[]): bigint {
  let numerator = Fr.ONE;
  let denominator = Fr.ONE;
  for (const other of indices) {
    if (other === index) continue;
    numerator = Fr.mul(numerator, Fr.create(BigInt(other)));
    denominator = Fr.mul(denominator, Fr.create(BigInt(other - index)));
  }
  return Fr.div(numerator, denominator);
}
