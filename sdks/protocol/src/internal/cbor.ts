import { Encoder } from "cbor-x";
import { decode, encode, rfc8949EncodeOptions } from "cborg";
import { bytesEqual } from "./bytes.ts";

const encoder = new Encoder({
  mapsAsObjects: false,
  useRecords: false,
  tagUint8Array: false,
  variableMapSize: true,
});

/**
 * Deterministic CBOR (RFC 8949 section 4.2.1) of what this package writes: integers from `integer`, text, bytes,
 * booleans, arrays, and Maps whose keys are already in order. The tests hold it equal to cborg's.
 */
export function encodeCbor(value: unknown): Uint8Array {
  return encoder.encode(value);
}

/** cbor-x writes every bigint in eight bytes and every number above 32 bits as a float; this picks the short form. */
export function integer(value: bigint | number): bigint | number {
  return value <= 0xffff_ffff ? Number(value) : BigInt(value);
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
    return bytesEqual(encode(value, rfc8949EncodeOptions), bytes) ? value : undefined;
  } catch {
    return undefined;
  }
}
