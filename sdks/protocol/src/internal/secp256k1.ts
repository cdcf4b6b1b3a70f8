import { createRequire } from "node:module";
import { secp256k1 } from "@noble/curves/secp256k1.js";

/** ECDSA over secp256k1 on 32-byte digests; signatures are 64 bytes r || s. Verification and recovery may throw. */
export type Secp256k1 = {
  /** Deterministic (RFC 6979), low s. */
  sign(digest: Uint8Array, privateKey: Uint8Array): { signature: Uint8Array; recovery: number };
  verify(signature: Uint8Array, digest: Uint8Array, publicKey: Uint8Array): boolean;
  /** The uncompressed key, 65 bytes. */
  recover(signature: Uint8Array, recovery: number, digest: Uint8Array): Uint8Array;
  /** 33 bytes compressed, 65 not. */
  publicKey(privateKey: Uint8Array, compressed: boolean): Uint8Array;
};

export const noble: Secp256k1 = {
  sign(digest, privateKey) {
    const whole = secp256k1.sign(digest, privateKey, { prehash: false, format: "recovered" });
    return { signature: whole.subarray(1), recovery: whole[0] ?? 0 };
  },
  verify: (signature, digest, publicKey) =>
    secp256k1.verify(signature, digest, publicKey, { prehash: false, lowS: true }),
  recover: (signature, recovery, digest) =>
    secp256k1.Signature.fromBytes(signature, "compact")
      .addRecoveryBit(recovery)
      .recoverPublicKey(digest)
      .toBytes(false),
  publicKey: (privateKey, compressed) => secp256k1.getPublicKey(privateKey, compressed),
};

/** libsecp256k1, some twenty times faster than JavaScript; null where no prebuilt binary fits. */
export const native: Secp256k1 | null = loadNative();

// The package's own JavaScript fallback has a history of malleability defects, so only its binding is loaded.
function loadNative(): Secp256k1 | null {
  try {
    const binding: typeof import("secp256k1") = createRequire(import.meta.url)("secp256k1/bindings");
    return {
      sign(digest, privateKey) {
        const { signature, recid } = binding.ecdsaSign(digest, privateKey);
        return { signature, recovery: recid };
      },
      verify: (signature, digest, publicKey) => binding.ecdsaVerify(signature, digest, publicKey),
      recover: (signature, recovery, digest) => binding.ecdsaRecover(signature, recovery, digest, false),
      publicKey: (privateKey, compressed) => binding.publicKeyCreate(privateKey, compressed),
    };
  } catch {
    return null;
  }
}
