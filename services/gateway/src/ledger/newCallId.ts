import { randomBytes } from "node:crypto";
import type { Hex } from "viem";
import { hexOf } from "./bytes.ts";

/** A call's id: the time it was made, then 26 random bytes. Ids that rise with time keep the indexes over them compact. */
export function newCallId(): Hex {
  const bytes = randomBytes(32);
  bytes.writeUIntBE(Date.now(), 0, 6);
  return hexOf(bytes);
}
