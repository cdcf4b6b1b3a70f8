import { randomBytes } from "node:crypto";
import type { Hex } from "viem";

export function hex32(): Hex {
  return `0x${randomBytes(32).toString("hex")}`;
}
