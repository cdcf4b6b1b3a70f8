import type { Hex } from "viem";

// Type oids of PostgreSQL's catalogue.
const BYTEA = 17;
const BIGINT = 20;
const TEXT = 25;
const HEADER_BYTES = 20;
const NULL_LENGTH = -1;

/**
 * Parameters of array types in PostgreSQL's binary format, which neither side has to escape, quote or parse: one
 * dimension from 1, each element its length and its bytes.
 */

/** A `bytea[]` of hex strings and of bytes. */
export function byteaArray(values: readonly (Hex | Uint8Array | null)[]): Buffer {
  return encode(
    BYTEA,
    values,
    (value) => (typeof value === "string" ? (value.length - 2) / 2 : value.length),
    (value, into, at) => {
      if (typeof value === "string") into.write(value.slice(2), at, "hex");
      else into.set(value, at);
    },
  );
}

/** A `text[]`. */
export function textArray(values: readonly (string | null)[]): Buffer {
  return encode(
    TEXT,
    values,
    (value) => Buffer.byteLength(value),
    (value, into, at) => {
      into.write(value, at, "utf8");
    },
  );
}

/** A `bigint[]`. */
export function bigintArray(values: readonly (bigint | number | null)[]): Buffer {
  return encode(
    BIGINT,
    values,
    () => 8,
    (value, into, at) => {
      into.writeBigInt64BE(BigInt(value), at);
    },
  );
}

function encode<Value>(
  oid: number,
  values: readonly (Value | null)[],
  lengthOf: (value: Value) => number,
  write: (value: Value, into: Buffer, at: number) => void,
): Buffer {
  const lengths = values.map((value) => (value === null ? NULL_LENGTH : lengthOf(value)));
  const size = lengths.reduce((sum, length) => sum + 4 + Math.max(length, 0), HEADER_BYTES);
  const bytes = Buffer.allocUnsafe(size);
  bytes.writeInt32BE(1, 0);
  bytes.writeInt32BE(lengths.includes(NULL_LENGTH) ? 1 : 0, 4);
  bytes.writeInt32BE(oid, 8);
  bytes.writeInt32BE(values.length, 12);
  bytes.writeInt32BE(1, 16);
  let at = HEADER_BYTES;
  values.forEach((value, index) => {
    const length = lengths[index] ?? NULL_LENGTH;
    at = bytes.writeInt32BE(length, at);
    if (value === null) return;
    write(value, bytes, at);
    at += length;
  });
  return bytes;
}
