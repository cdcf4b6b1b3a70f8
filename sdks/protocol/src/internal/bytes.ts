import type { Hex } from "viem";

/** Bytes of a lowercase or checksummed hex string; throws when it is not hex of exactly `length` bytes. */
export function fromHex(hex: string, length?: number): Uint8Array {
  const digits = hex.startsWith("0x") ? hex.slice(2) : "";
  const bytes = Buffer.from(digits, "hex");
  const complete = hex.length === 2 + bytes.length * 2 && hex.startsWith("0x");
  if (!complete || (length !== undefined && bytes.length !== length)) {
    throw new TypeError(`Expected ${length ?? "whole"} bytes of hex.`);
  }
  return bytes;
}

export function toHex(bytes: Uint8Array): Hex {
  return `0x${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("hex")}`;
}

export function lower(hex: Hex): Hex {
  return hex.toLowerCase() as Hex;
}

export function toBase64url(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64url");
}

/** Decodes base64url without padding; null unless it is the one canonical spelling of its bytes. */
export function fromBase64url(text: string): Uint8Array | null {
  const bytes = Buffer.from(text, "base64url");
  return bytes.toString("base64url") === text ? bytes : null;
}

export function bytesEqual(left: Uint8Array, right: Uint8Array): boolean {
  return Buffer.compare(left, right) === 0;
}
