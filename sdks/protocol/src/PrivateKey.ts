import {
  createPrivateKey,
  type ED25519KeyPairOptions,
  // biome-ignore lint/style/noRestrictedImports: only the encoding of what it makes leaves this file.
  generateKeyPairSync,
  type KeyObject,
} from "node:crypto";

/** Curves by their JWK names (RFC 7518, 8037, 8812); an RSA key has 2,048 bits. */
export type Kind = "P-256" | "P-384" | "secp256k1" | "Ed25519" | "X25519" | "RSA";

const encoding: ED25519KeyPairOptions<"der", "der"> = {
  privateKeyEncoding: { type: "pkcs8", format: "der" },
  publicKeyEncoding: { type: "spki", format: "der" },
};

/**
 * A fresh private key. Never take a key object from `generateKeyPair` itself: until the garbage collector has ended the
 * job that made it, the two share a lock, and a collection during an `export` waits for that lock forever.
 */
export function generate(kind: Kind): KeyObject {
  return createPrivateKey({ key: encodedKey(kind), type: "pkcs8", format: "der" });
}

function encodedKey(kind: Kind): Buffer {
  if (kind === "Ed25519") return generateKeyPairSync("ed25519", encoding).privateKey;
  if (kind === "X25519") return generateKeyPairSync("x25519", encoding).privateKey;
  if (kind === "RSA") return generateKeyPairSync("rsa", { ...encoding, modulusLength: 2048 }).privateKey;
  return generateKeyPairSync("ec", { ...encoding, namedCurve: kind }).privateKey;
}
