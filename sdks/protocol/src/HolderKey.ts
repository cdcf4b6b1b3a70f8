import { createPublicKey, type KeyObject } from "node:crypto";
import QuickLRU from "quick-lru";
import type { Hex } from "viem";
import { z } from "zod";
import { type ErrorCode, ProtocolError } from "./Errors.ts";
import { fromBase64url, toHex } from "./internal/bytes.ts";
import { sha256 } from "./internal/sha256.ts";
import * as PrivateKey from "./PrivateKey.ts";
import * as Wire from "./Wire.ts";

/** Public P-256 key, RFC 7517, with these four members only. */
export type Jwk = { kty: "EC"; crv: "P-256"; x: string; y: string };

const shape: z.ZodType<Jwk> = z.strictObject({
  kty: z.literal("EC"),
  crv: z.literal("P-256"),
  x: Wire.base64url(32),
  y: Wire.base64url(32),
});

/** A key whose point lies on the curve. */
export const schema: z.ZodType<Jwk> = shape.refine(isOnCurve, "the point is not on P-256");

/** Strict parser; throws `invalid_proof`, or the code that fits the place the key stands in. */
export function parse(jwk: unknown, code: ErrorCode = "invalid_proof"): Jwk {
  return Wire.parse(schema, jwk, code);
}

/** RFC 7638 SHA-256 thumbprint, as bytes32. */
export function thumbprint(jwk: Jwk): Hex {
  return toHex(sha256(`{"crv":"${jwk.crv}","kty":"${jwk.kty}","x":"${jwk.x}","y":"${jwk.y}"}`));
}

export function generate(): { privateKey: KeyObject; jwk: Jwk } {
  const privateKey = PrivateKey.generate("P-256");
  return { privateKey, jwk: publicJwk(privateKey) };
}

const publicJwks = new WeakMap<KeyObject, Jwk>();

/** The public JWK of a P-256 key object, private or public. */
export function publicJwk(key: KeyObject): Jwk {
  const known = publicJwks.get(key);
  if (known) return known;
  const publicKey = key.type === "private" ? createPublicKey(key) : key;
  const { kty, crv, x, y } = publicKey.export({ format: "jwk" });
  const jwk = parse({ kty, crv, x, y }, "invalid_request");
  publicJwks.set(key, jwk);
  return jwk;
}

// Bounded: a stranger's keys can push out the cache, never grow it.
const keys = new QuickLRU<string, KeyObject>({ maxSize: 4096 });

/** Key object for verification, cached; the JWK must have passed `parse`. */
export function toPublicKey(jwk: Jwk): KeyObject {
  const id = cacheKey(jwk);
  const known = keys.get(id);
  if (known !== undefined) return known;
  const key = importKey(jwk);
  keys.set(id, key);
  return key;
}

function cacheKey(jwk: Jwk): string {
  return `${jwk.x}.${jwk.y}`;
}

function importKey(jwk: Jwk): KeyObject {
  try {
    return createPublicKey({ key: jwk, format: "jwk" });
  } catch (cause) {
    throw new ProtocolError("invalid_proof", { detail: "The key is not a point of P-256.", cause });
  }
}

const P = 2n ** 256n - 2n ** 224n + 2n ** 192n + 2n ** 96n - 1n;
const B = 0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604bn;

function isOnCurve(jwk: Jwk): boolean {
  if (keys.has(cacheKey(jwk))) return true;
  const x = coordinate(jwk.x);
  const y = coordinate(jwk.y);
  if (x === null || y === null) return false;
  return (y * y - (x * x * x - 3n * x + B)) % P === 0n;
}

function coordinate(text: string): bigint | null {
  const bytes = fromBase64url(text);
  const value = bytes === null ? P : BigInt(toHex(bytes));
  return value < P ? value : null;
}
