import type { Tariff } from "@tac/protocol";
import type { Hex } from "viem";
import { jsonBytes } from "./bytes.ts";

/** A call that asks for its hold. Amounts in nanocredits. */
export type WantedHold = {
  callId: Hex;
  receiptId: Hex;
  jobId: Hex;
  owner: string;
  kind: Tariff.Kind;
  model: string;
  providerId: number;
  tariffHash: Hex;
  holdNano: bigint;
  /** The least the call can run on; equal to `holdNano` when the caller set its own limit. */
  floorNano: bigint;
  requestHash: Hex;
  proofHash: Hex;
  proof: string;
  usageAuth: string;
  idempotencyKey: string | null;
  /** Null when an earlier attempt of the same request has spent the proof. */
  jtiHash: Hex | null;
  proofExpiresAtMs: number;
};

export type HoldRefusal =
  | "proof_replayed"
  | "duplicate"
  | "unknown_job"
  | "capability_revoked"
  | "job_closed"
  | "capability_expired"
  | "capability_not_yet_valid"
  | "credit_exhausted"
  | "tenant_budget_exhausted"
  | "team_budget_exhausted"
  | "user_budget_exhausted";

/** `duplicate`: the idempotency key belongs to an earlier call of the job. */
export type HoldOutcome = { outcome: "held"; holdNano: bigint; heldAtMs: number } | { outcome: HoldRefusal };

/** The row as `hold_calls` reads it. */
export function toRow(hold: WantedHold) {
  return {
    call_id: jsonBytes(hold.callId),
    receipt_id: jsonBytes(hold.receiptId),
    job_id: jsonBytes(hold.jobId),
    owner: hold.owner,
    kind: hold.kind,
    model: hold.model,
    provider_id: hold.providerId,
    tariff_hash: jsonBytes(hold.tariffHash),
    hold_nano: hold.holdNano.toString(),
    floor_nano: hold.floorNano.toString(),
    request_hash: jsonBytes(hold.requestHash),
    proof_hash: jsonBytes(hold.proofHash),
    proof: hold.proof,
    usage_auth: hold.usageAuth,
    idempotency_key: hold.idempotencyKey,
    jti_hash: hold.jtiHash === null ? null : jsonBytes(hold.jtiHash),
    proof_expires_at_ms: hold.proofExpiresAtMs,
  };
}
