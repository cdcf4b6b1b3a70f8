import { bls12_381 } from "@noble/curves/bls12-381.js";
import { keccak_256 } from "@noble/hashes/sha3.js";
import { bytesToHex, concatBytes, hexToBytes, utf8ToBytes } from "@noble/hashes/utils.js";

export const SIGNATURE_DST = "BLS_SIG_BLS12381G1_XMD:SHA-256_SSWU_RO_POP_";
export const POSSESSION_DST = "BLS_POP_BLS12381G1_XMD:SHA-256_SSWU_RO_POP_";

const { shortSignatures } = bls12_381;
const { Fr } = bls12_381.fields;

type G1Point = ReturnType<typeof shortSignatures.hash>;

/** A secret polynomial: its first coefficient is the group's key, its value at `i` the share of replica `i`. */
export type GroupKey = { coefficients: bigint[] };

export const hex = (bytes: Uint8Array): string => `0x${bytesToHex(bytes)}`;
export const fromHex = (text: string): Uint8Array => hexToBytes(text.slice(2));
export const keccak = (...parts: Uint8Array[]): Uint8Array => keccak_256(concatBytes(...parts));
export const keccakText = (text: string): string => hex(keccak_256(utf8ToBytes(text)));

/** 32 bytes, big-endian: how the ABI encodes every static value. */
export const word = (value: bigint): Uint8Array => hexToBytes(value.toString(16).padStart(64, "0"));

/** 64 bytes, big-endian: how EIP-2537 encodes an element of the base field. */
const fieldElement = (value: bigint): Uint8Array => hexToBytes(value.toString(16).padStart(128, "0"));

/** G1 point in the encoding of EIP-2537. */
export function encodeG1(point: G1Point): Uint8Array {
  const { x, y } = point.toAffine();
  return concatBytes(fieldElement(x), fieldElement(y));
}

/** Deterministic key of a t-of-n group, t being the number of coefficients. */
export function groupKey(name: string, threshold: number): GroupKey {
  const coefficients = Array.from({ length: threshold }, (_, i) =>
    Fr.create(BigInt(keccakText(`${name} coefficient ${i}`))),
  );
  return { coefficients };
}

/** The group's public key, a G2 point in the encoding of EIP-2537. */
export function publicKeyOf(key: GroupKey): Uint8Array {
  const [secret = 0n] = key.coefficients;
  const { x, y } = bls12_381.G2.Point.BASE.multiply(secret).toAffine();
  return concatBytes(...[x.c0, x.c1, y.c0, y.c1].map(fieldElement));
}

/** Signs with the shares of `signers` and combines them, so that no step uses the group's secret. */
export function thresholdSign(
  key: GroupKey,
  signers: readonly bigint[],
  message: Uint8Array,
  dst = SIGNATURE_DST,
): Uint8Array {
  const hashed = shortSignatures.hash(message, dst);
  const partials = signers.map((signer) => {
    const share = shareOf(key, signer);
    return hashed.multiply(share).multiply(lagrangeAtZero(signer, signers));
  });
  return encodeG1(partials.reduce((sum, partial) => sum.add(partial), bls12_381.G1.Point.ZERO));
}

/** The group's signature on keccak256(publicKey) under the possession tag. */
export function provePossession(key: GroupKey, signers: readonly bigint[]): Uint8Array {
  return thresholdSign(key, signers, keccak(publicKeyOf(key)), POSSESSION_DST);
}

function shareOf(key: GroupKey, signer: bigint): bigint {
  return key.coefficients.reduceRight((sum, coefficient) => Fr.add(Fr.mul(sum, signer), coefficient), 0n);
}

function lagrangeAtZero(signer: bigint, signers: readonly bigint[]): bigint {
  return signers
    .filter((other) => other !== signer)
    .reduce((product, other) => Fr.mul(product, Fr.div(other, Fr.sub(other, signer))), 1n);
}
