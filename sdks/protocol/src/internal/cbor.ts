import { decode, encode, rfc8949EncodeOptions } from "cborg";
import { bytesEqual } from "./bytes.ts";

/** Deterministic CBOR, RFC 8949 section 4.2.1. */
export function encodeCbor(value: unknown): Uint8Array {
  return encode(value, rfc8949EncodeOptions);
}

/**
 * Decodes deterministic CBOR only: no tags, no indefinite lengths, no NaN, no duplicate or unsorted keys, no
 * integer longer than needed, no byte after the end. Undefined when the bytes are anything else; maps are Maps.
 */
export function decodeCbor(bytes: Uint8Array): unknown {
  try {
    const value: unknown = decode(bytes, {
      strict: true,
      useMaps: true,
      rejectDuplicateMapKeys: true,
      allowIndefinite: false,
      allowUndefined: false,
      allowInfinity: false,
      allowNaN: false,
    });
    return bytesEqual(encodeCbor(value), bytes) ? value : undefined;
  } catch {
    return undefined;
  }
}
