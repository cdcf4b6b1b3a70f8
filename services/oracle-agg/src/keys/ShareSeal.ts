import { createCipheriv, createDecipheriv, hkdfSync, randomBytes, scryptSync } from "node:crypto";
import { readFileSync } from "node:fs";
import { z } from "zod";

/** RFC 7914 parameters: 64 MiB and about a fifth of a second per guess. */
const SCRYPT = { N: 2 ** 16, r: 8, p: 1, maxmem: 128 * 1024 * 1024 };
const KEY_BYTES = 32;
const base64url = z.string().regex(/^[A-Za-z0-9_-]+$/);

const sealedSchema = z.strictObject({
  version: z.literal(2),
  protection: z.enum(["passphrase", "key-file"]),
  salt: base64url,
  nonce: base64url,
  ciphertext: base64url,
  tag: base64url,
});

/** Encrypts what a replica keeps of its key: AES-256-GCM under a key derived from a passphrase or from a key file. */
export type ShareSeal = {
  /** @param label what the content is; `open` must be given the same. */
  seal(content: string, label: string): string;
  /** Errors: ShareSealError for another passphrase or key, an altered file, or one sealed in another way. */
  open(sealed: string, label: string): string;
};

/** The file with a key share cannot be opened. */
export class ShareSealError extends Error {
  override name = "ShareSealError";
}

/** A passphrase of at least 16 characters, or exactly 32 random bytes as 64 hex digits; both without the white space at the ends. */
export type ShareSecret = { kind: "passphrase" | "key-file"; text: string };

/** Reads the file that KEY_PASSPHRASE_FILE or KEY_WRAPPING_KEY_FILE names. */
export const readShareSecret = (kind: ShareSecret["kind"], file: string): ShareSecret => {
  const text = readFileSync(file, "utf8").trim();
  if (kind === "passphrase" && text.length < 16)
    throw new ShareSealError(`${file} must hold a passphrase of at least 16 characters.`);
  if (kind === "key-file" && !/^[0-9a-f]{64}$/.test(text))
    throw new ShareSealError(`${file} must hold 32 bytes as 64 lowercase hex digits.`);
  return { kind, text };
};

export const createShareSeal = ({ kind, text }: ShareSecret): ShareSeal => {
  const derive = (salt: Buffer): Buffer =>
    kind === "passphrase"
      ? scryptSync(text.normalize("NFKC"), salt, KEY_BYTES, SCRYPT)
      : Buffer.from(hkdfSync("sha256", Buffer.from(text, "hex"), salt, "tac-share-seal", KEY_BYTES));
  const derived = new Map<string, Buffer>();
  const keyFor = (salt: string): Buffer => {
    const key = derived.get(salt) ?? derive(Buffer.from(salt, "base64url"));
    derived.set(salt, key);
    return key;
  };
  const ownSalt = randomBytes(16).toString("base64url");
  return {
    seal: (content, label) => {
      // The salt is this process's, so that a passphrase is stretched once; the nonce is the file's own.
      const nonce = randomBytes(12);
      const cipher = createCipheriv("aes-256-gcm", keyFor(ownSalt), nonce).setAAD(Buffer.from(label));
      const ciphertext = Buffer.concat([cipher.update(content, "utf8"), cipher.final()]);
      const sealed = {
        version: 2,
        protection: kind,
        salt: ownSalt,
        nonce: nonce.toString("base64url"),
        ciphertext: ciphertext.toString("base64url"),
        tag: cipher.getAuthTag().toString("base64url"),
      };
      return `${JSON.stringify(sealed)}\n`;
    },
    open: (sealed, label) => {
      const { protection, salt, nonce, ciphertext, tag } = parseSealed(sealed);
      if (protection !== kind)
        throw new ShareSealError(
          `The key share is sealed with a ${protection}, and the settings name a ${kind}.`,
        );
      try {
        const decipher = createDecipheriv("aes-256-gcm", keyFor(salt), Buffer.from(nonce, "base64url"), {
          authTagLength: 16,
        })
          .setAAD(Buffer.from(label))
          .setAuthTag(Buffer.from(tag, "base64url"));
        const bytes = Buffer.from(ciphertext, "base64url");
        return Buffer.concat([decipher.update(bytes), decipher.final()]).toString("utf8");
      } catch (cause) {
        throw new ShareSealError(`The key share does not open: a wrong ${kind}, or an altered file.`, {
          cause,
        });
      }
    },
  };
};

const parseSealed = (text: string): z.infer<typeof sealedSchema> => {
  try {
    return sealedSchema.parse(JSON.parse(text));
  } catch (cause) {
    throw new ShareSealError("The key file is no sealed key share.", { cause });
  }
};
