import type { Hex } from "viem";

/** viem checksums addresses; the wire and the store know one spelling only. */
export function lower(hex: Hex): Hex {
  return `0x${hex.slice(2).toLowerCase()}`;
}
