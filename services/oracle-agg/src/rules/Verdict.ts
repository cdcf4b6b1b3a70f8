import type { Address, Hex } from "viem";

/** Why an event is left out of every batch. Codes are stable; each replica records them under /v1/rejections. */
export type RejectionCode =
  // What the event says by itself, or together with its job and tariff.
  | "receipt_gateway"
  | "receipt_signature"
  | "receipt_time"
  | "receipt_id"
  | "unknown_job"
  | "job_already_open"
  | "capability_job_id"
  | "capability_mismatch"
  | "capability_not_yet_valid"
  | "capability_expired"
  | "quote_hash"
  | "quote_tenant"
  | "quote_gateway"
  | "quote_plan"
  | "quote_tariffs"
  | "quote_steps"
  | "quote_signature"
  | "token_invalid"
  | "token_capability"
  | "token_provider"
  | "token_model"
  | "proof_malformed"
  | "proof_holder"
  | "proof_request"
  | "proof_token"
  | "proof_body"
  | "proof_binding"
  | "proof_time"
  | "proof_signature"
  | "proof_hash"
  | "over_max_cost"
  | "tariff_not_quoted"
  | "tariff_model"
  | "price_mismatch"
  | "countersignature_required"
  | "countersignature_missing"
  | "countersignature_mismatch"
  // What the chain says at the block the batch is pinned to.
  | "gateway_not_enrolled"
  | "lock_missing"
  | "lock_mismatch"
  | "lock_not_open"
  | "capability_signature"
  | "capability_revoked"
  | "tariff_not_published"
  | "countersigner"
  // What was accepted before.
  | "duplicate_receipt"
  | "proof_reused"
  | "job_closed"
  | "over_lock"
  // A batch this replica missed left the event out, and the reason can no longer be recomputed.
  | "left_out";

export type Refusal = { code: RejectionCode; reason: string };

/**
 * `reportSigner` is who signed the provider's report; whether it is the provider's key only the chain can say. `leaf` is
 * that of a usage event's receipt.
 */
export type Verdict =
  | { ok: true; leaf: Hex | null; reportSigner: Address | null }
  | ({ ok: false } & Refusal);

export const ok = (leaf: Hex | null = null, reportSigner: Address | null = null): Verdict => ({
  ok: true,
  leaf,
  reportSigner,
});

export const refuse = (code: RejectionCode, reason: string): { ok: false } & Refusal => ({
  ok: false,
  code,
  reason,
});

/** Refusals that a later block may cure: the chain had not seen yet what the event relies on. */
export const isCurable = (code: RejectionCode): boolean =>
  code === "lock_missing" || code === "tariff_not_published" || code === "gateway_not_enrolled";
