import type { Pool } from "@tac/kit";
import type { Hex } from "viem";
import { bytesOf } from "./bytes.ts";

/** Why a call ended uncharged. */
export type ReleaseReason =
  | "provider_error"
  | "provider_timeout"
  | "provider_refused"
  | "disconnected_before_delivery"
  | "capability_revoked"
  | "not_countersigned"
  | "internal"
  | "abandoned";

/** Gives the whole hold back and frees the idempotency key; false when the call had already ended. */
export async function releaseCall(pool: Pool, callId: Hex, reason: ReleaseReason): Promise<boolean> {
  const { rows } = await pool.query<{ released: boolean }>({
    name: "release_call",
    text: "SELECT release_call($1, $2, store_now_ms()) AS released",
    values: [bytesOf(callId), reason],
  });
  return rows[0]?.released === true;
}
