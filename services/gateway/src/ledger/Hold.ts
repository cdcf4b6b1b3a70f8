import { bigintArray, byteaArray, textArray } from "@tac/kit";
import type { Tariff } from "@tac/protocol";
import type { Hex } from "viem";
import { bytesOf } from "./bytes.ts";

/** A call that asks for its hold. Amounts in nanocredits. */
export type WantedHold = {
  callId: Hex;
  receiptId: Hex;
  jobId: Hex;
  kind: Tariff.Kind;
  model: string;
  providerId: number;
  tariffHash: Hex;
  holdNano: bigint;
  /** The least the call can run on; equal to `holdNano` when the caller set its own limit. */
  floorNano: bigint;
  requestHash: Hex;
  proofHash: Hex;
  idempotencyKey: string | null;
  /** Null when an earlier attempt of the same request has spent the proof. */
  jtiHash: Hex | null;
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

/**
 * A hold that nobody else can take the credit of. Its commit may still be on its way to the disk: nothing that depends on
 * the hold may be stored, and no answer may leave, before `durable` has resolved. It rejects with what the store throws;
 * then the hold may or may not be there.
 */
export type TakenHold = { holdNano: bigint; heldAtMs: number; durable: Promise<void> };

/** `duplicate`: the idempotency key belongs to an earlier call of the job. */
export type HoldOutcome = ({ outcome: "held" } & TakenHold) | { outcome: HoldRefusal };

/** The columns as `hold_calls` reads them. */
export function toColumns(holds: readonly WantedHold[]): Buffer[] {
  return [
    byteaArray(holds.map(({ callId }) => callId)),
    byteaArray(holds.map(({ receiptId }) => receiptId)),
    byteaArray(holds.map(({ jobId }) => jobId)),
    textArray(holds.map(({ kind }) => kind)),
    textArray(holds.map(({ model }) => model)),
    bigintArray(holds.map(({ providerId }) => providerId)),
    byteaArray(holds.map(({ tariffHash }) => tariffHash)),
    bigintArray(holds.map(({ holdNano }) => holdNano)),
    bigintArray(holds.map(({ floorNano }) => floorNano)),
    byteaArray(holds.map(({ requestHash }) => requestHash)),
    byteaArray(holds.map(({ proofHash }) => proofHash)),
    textArray(holds.map(({ idempotencyKey }) => idempotencyKey)),
    byteaArray(holds.map(({ jtiHash }) => jtiHash)),
  ];
}

/** One call as `hold_call` reads it. */
export function toValues(hold: WantedHold): unknown[] {
  return [
    bytesOf(hold.callId),
    bytesOf(hold.receiptId),
    bytesOf(hold.jobId),
    hold.kind,
    hold.model,
    hold.providerId,
    bytesOf(hold.tariffHash),
    hold.holdNano,
    hold.floorNano,
    bytesOf(hold.requestHash),
    bytesOf(hold.proofHash),
    hold.idempotencyKey,
    hold.jtiHash === null ? null : bytesOf(hold.jtiHash),
  ];
}
