import * as canonicalizeModule from "canonicalize";
import type { Hex } from "viem";
import { keccakHex } from "./keccak.ts";

// The package is CommonJS whose declaration says ESM, so the callable sits one level lower than declared.
const exported: unknown = canonicalizeModule.default;
const canonicalize = exported as (value: unknown) => string | undefined;

// JSON.stringify writes a lone surrogate as an escape, and never writes a whole pair so.
const LONE_SURROGATE = /(?<!\\)(?:\\\\)*\\ud[89a-f]/;

/** RFC 8785 canonical JSON. Throws on what JSON cannot carry (bigint, NaN, undefined, lone surrogates). */
export function canonicalJson(value: unknown): string {
  const text = canonicalize(value);
  if (text === undefined) throw new TypeError("The value has no JSON form.");
  if (LONE_SURROGATE.test(text))
    throw new TypeError("The value holds a lone surrogate, which RFC 8785 refuses.");
  return text;
}

export function hashJson(value: unknown): Hex {
  return keccakHex(Buffer.from(canonicalJson(value), "utf8"));
}
