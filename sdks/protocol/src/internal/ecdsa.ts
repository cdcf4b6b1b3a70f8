import { secp256k1 } from "@noble/curves/secp256k1.js";
import type { Address, Hex } from "viem";
import { fromHex, toHex } from "./bytes.ts";
import { keccak } from "./keccak.ts";
import { native, noble } from "./secp256k1.ts";

const curve = native ?? noble;
const HALF_ORDER = fromHex(`0x${(secp256k1.Point.Fn.ORDER >> 1n).toString(16)}`, 32);

/** Signs a 32-byte digest: r || s with low s. */
export function signCompact(digest: Uint8Array, privateKey: Uint8Array): Uint8Array {
  return curve.sign(digest, privateKey).signature;
}

/** Checks r || s against a 33-byte compressed key; both libraries refuse a high s. */
export function verifyCompact(digest: Uint8Array, signature: Uint8Array, publicKey: Uint8Array): boolean {
  try {
    return curve.verify(signature, digest, publicKey);
  } catch {
    return false;
  }
}

/** 65 bytes r || s || v, v being 27 or 28, as Solidity's `ecrecover` wants them. */
export function signDigest(digest: Hex, privateKey: Hex): Hex {
  const { signature, recovery } = curve.sign(fromHex(digest, 32), fromHex(privateKey, 32));
  const whole = new Uint8Array(65);
  whole.set(signature);
  whole[64] = 27 + recovery;
  return toHex(whole);
}

/** The signer's lowercase address, or null for a signature that is malformed, has a high s or another v. */
export function recoverDigest(digest: Hex, signature: Hex): Address | null {
  const bytes = fromHex(digest, 32);
  if (!/^0x[0-9a-fA-F]{130}$/.test(signature)) return null;
  const whole = fromHex(signature, 65);
  const recovery = (whole[64] ?? 0) - 27;
  if ((recovery !== 0 && recovery !== 1) || !isLowS(whole.subarray(0, 64))) return null;
  try {
    return publicKeyToAddress(curve.recover(whole.subarray(0, 64), recovery, bytes));
  } catch {
    return null;
  }
}

export function compressedPublicKey(privateKey: Hex): Uint8Array {
  return curve.publicKey(fromHex(privateKey, 32), true);
}

export function privateKeyToAddress(privateKey: Hex): Address {
  return publicKeyToAddress(curve.publicKey(fromHex(privateKey, 32), false));
}

/** Address of a 33-byte compressed key; throws when it is no point of the curve. */
export function compressedKeyToAddress(publicKey: Uint8Array): Address {
  return publicKeyToAddress(secp256k1.Point.fromBytes(publicKey).toBytes(false));
}

function publicKeyToAddress(uncompressed: Uint8Array): Address {
  return toHex(keccak(uncompressed.subarray(1)).subarray(12));
}

function isLowS(signature: Uint8Array): boolean {
  return Buffer.compare(signature.subarray(32, 64), HALF_ORDER) <= 0;
}
