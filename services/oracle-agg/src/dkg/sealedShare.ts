import {
  createCipheriv,
  createDecipheriv,
  createPublicKey,
  diffieHellman,
  hkdfSync,
  type KeyObject,
} from "node:crypto";
import { PrivateKey } from "@tac/protocol";
import { publicKeyOf } from "../keys/AggregatorSet.ts";

/** Who a secret is from and for; bound into the key and authenticated, so that a box cannot be moved. */
export type SealContext = { ceremonyId: string; from: number; to: number };

/** base64url of ephemeral public key 32 | ciphertext | GCM tag 16. */
export type SealedShare = string;

const TAG_BYTES = 16;
const ZERO_NONCE = Buffer.alloc(12);

const contextBytes = ({ ceremonyId, from, to }: SealContext): Buffer =>
  Buffer.from(`tac-dkg-share|${ceremonyId}|${from}|${to}`);

const rawPublic = (key: KeyObject): Buffer =>
  Buffer.from(String(createPublicKey(key).export({ format: "jwk" }).x), "base64url");

// The key is used once, because it comes from a fresh ephemeral key, so a constant nonce is safe.
const keyFor = (secret: Buffer, ephemeral: Buffer, recipient: Buffer, context: SealContext): Buffer =>
  Buffer.from(hkdfSync("sha256", secret, Buffer.concat([ephemeral, recipient]), contextBytes(context), 32));

/** Encrypts a signing share to one replica: ephemeral X25519, HKDF-SHA256, AES-256-GCM. */
export const sealShare = (
  share: Uint8Array,
  recipientPublicKey: string,
  context: SealContext,
): SealedShare => {
  const recipient = publicKeyOf("X25519", recipientPublicKey);
  const privateKey = PrivateKey.generate("X25519");
  const ephemeral = rawPublic(privateKey);
  const key = keyFor(
    diffieHellman({ privateKey, publicKey: recipient }),
    ephemeral,
    Buffer.from(recipientPublicKey, "base64url"),
    context,
  );
  const cipher = createCipheriv("aes-256-gcm", key, ZERO_NONCE).setAAD(contextBytes(context));
  const ciphertext = Buffer.concat([cipher.update(share), cipher.final()]);
  return Buffer.concat([ephemeral, ciphertext, cipher.getAuthTag()]).toString("base64url");
};

/** Opens what `sealShare` made for this key and context. Throws when a byte of either differs. */
export const openShare = (
  sealed: SealedShare,
  encryptionKey: KeyObject,
  context: SealContext,
): Uint8Array => {
  const bytes = Buffer.from(sealed, "base64url");
  if (bytes.length <= 32 + TAG_BYTES) throw new Error("The sealed share is too short.");
  const ephemeral = bytes.subarray(0, 32);
  const key = keyFor(
    diffieHellman({
      privateKey: encryptionKey,
      publicKey: publicKeyOf("X25519", ephemeral.toString("base64url")),
    }),
    ephemeral,
    rawPublic(encryptionKey),
    context,
  );
  const decipher = createDecipheriv("aes-256-gcm", key, ZERO_NONCE)
    .setAAD(contextBytes(context))
    .setAuthTag(bytes.subarray(bytes.length - TAG_BYTES));
  return Buffer.concat([decipher.update(bytes.subarray(32, bytes.length - TAG_BYTES)), decipher.final()]);
};
