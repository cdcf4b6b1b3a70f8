import { ProtocolError } from "./Errors.ts";
import * as Wire from "./Wire.ts";

/** One credit is 10^9 nanocredits. */
export const NANO_PER_CREDIT = 1_000_000_000n;

/** Nanocredits in JSON: decimal digits, below 2^128. */
export const schema = Wire.uint128;

/** Nanocredits from decimal digits without sign or leading zero; `invalid_request` otherwise. */
export function parse(digits: string): bigint {
  return Wire.parse(schema, digits);
}

export function toJson(amountNano: bigint): string {
  if (amountNano < 0n) throw new RangeError("Nanocredits are never negative.");
  return amountNano.toString();
}

/** Nanocredits from a decimal number of credits with at most nine places, such as "12.345678901". */
export function fromCredits(credits: string): bigint {
  const match = /^(0|[1-9][0-9]{0,28})(?:\.([0-9]{1,9}))?$/.exec(credits);
  if (!match) {
    throw new ProtocolError("invalid_request", {
      detail: "Credits are a decimal number with at most nine places.",
    });
  }
  return BigInt(match[1] ?? "0") * NANO_PER_CREDIT + BigInt((match[2] ?? "").padEnd(9, "0"));
}

/** Credits with all nine places, such as "12.345678901". */
export function format(amountNano: bigint): string {
  const sign = amountNano < 0n ? "-" : "";
  const digits = (amountNano < 0n ? -amountNano : amountNano).toString().padStart(10, "0");
  return `${sign}${digits.slice(0, -9)}.${digits.slice(-9)}`;
}
