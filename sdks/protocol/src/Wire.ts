import type { Address, Hex } from "viem";
import { z } from "zod";
import { type ErrorCode, ProtocolError } from "./Errors.ts";

export { fromBase64url, fromHex, toBase64url, toHex } from "./internal/bytes.ts";
export { canonicalJson, hashJson } from "./internal/canonicalJson.ts";
export { privateKeyToAddress, recoverDigest, signDigest } from "./internal/ecdsa.ts";
export type { Domain, TypedData } from "./internal/eip712.ts";
export { keccakHex } from "./internal/keccak.ts";

/**
 * The building blocks of all wire schemas. Each accepts one spelling of a value only: lowercase hex, decimal
 * digits without leading zero, base64url without padding or stray bits.
 */

/** Lowercase hex of exactly `bytes` bytes. */
export function hex(bytes: number): z.ZodType<Hex, string> {
  const pattern = new RegExp(`^0x[0-9a-f]{${bytes * 2}}$`);
  return z
    .string()
    .regex(pattern, `expected ${bytes} bytes of lowercase hex`)
    .transform((text) => text as Hex);
}

export const bytes32 = hex(32);
export const address: z.ZodType<Address, string> = hex(20);
/** 65 bytes r || s || v. */
export const signature = hex(65);

/** An ERC-1271 signature may have any length, so a capability's signature has only an upper bound. */
export const accountSignature: z.ZodType<Hex, string> = z
  .string()
  .max(2 + 2 * 4096)
  .regex(/^0x(?:[0-9a-f]{2})+$/, "expected lowercase hex")
  .transform((text) => text as Hex);

/** Decimal digits of an unsigned integer below 2^bits. */
export function digits(bits: number): z.ZodType<bigint, string> {
  const limit = 1n << BigInt(bits);
  return z
    .string()
    .max(78)
    .regex(/^(?:0|[1-9][0-9]*)$/, "expected decimal digits without leading zero")
    .transform((text) => BigInt(text))
    .refine((value) => value < limit, `expected an unsigned integer of ${bits} bits`);
}

export const uint64 = digits(64);
export const uint128 = digits(128);
export const uint32 = z.int().min(0).max(0xffff_ffff);
export const providerId = z.int().min(1).max(0xffff_ffff);

/** Base64url, canonical, of exactly `bytes` bytes. */
export function base64url(bytes: number): z.ZodType<string, string> {
  const whole = Math.floor((bytes * 4) / 3);
  // The last character of a part carries two or four bits, and those it does not need are zero.
  const last = ["", "[AQgw]", "[AEIMQUYcgkosw048]"][bytes % 3];
  const pattern = new RegExp(`^[A-Za-z0-9_-]{${whole}}${last}$`);
  return z.string().regex(pattern, `expected ${bytes} bytes of base64url`);
}

/** A model's name is an identifier: printable ASCII without blanks, so it cannot be padded or re-encoded. */
export const modelName = z
  .string()
  .regex(/^[\x21-\x7e]{1,128}$/, "expected 1 to 128 printable ASCII characters");

/** Compact JOSE and COSE tokens travel as text; the parser of each checks the inside. */
export const token = z
  .string()
  .min(1)
  .max(4096)
  .regex(/^[A-Za-z0-9_.-]+$/, "expected a base64url token");

/** Parses with a schema; a failure is a ProtocolError (`invalid_request` unless told) naming the field. */
export function parse<Value>(
  schema: z.ZodType<Value>,
  input: unknown,
  code: ErrorCode = "invalid_request",
): Value {
  const outcome = schema.safeParse(input);
  if (outcome.success) return outcome.data;
  const issue = outcome.error.issues[0];
  const param = issue?.path.join(".") ?? "";
  throw new ProtocolError(code, {
    detail: `${param === "" ? "The document" : param}: ${issue?.message ?? "not valid"}.`,
    ...(param === "" ? {} : { param }),
    cause: outcome.error,
  });
}
