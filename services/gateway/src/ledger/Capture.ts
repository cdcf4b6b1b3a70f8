import { Pricing, UsageReceipt } from "@tac/protocol";
import type { Hex } from "viem";
import { hexOf, jsonBytes } from "./bytes.ts";

/** How a charged call ended. */
export type CaptureOutcome =
  | "complete"
  | "disconnected"
  | "hold_exhausted"
  | "provider_broke_off"
  | "recovered";

/** What a repeated idempotency key gets; a null body was larger than the cap. */
export type StoredAnswer = { status: number; headers: Record<string, string>; body: Buffer | null };

/** A call that ends with a charge. `receipt.costNano` is charged, the rest of the hold goes back. */
export type Capture = {
  callId: Hex;
  receipt: UsageReceipt.UsageReceipt;
  outcome: CaptureOutcome;
  answer: StoredAnswer;
};

/** The row as `capture_calls` reads it. */
export function toRow({ callId, receipt, outcome, answer }: Capture) {
  return {
    call_id: jsonBytes(callId),
    job_id: jsonBytes(receipt.jobId),
    cost_nano: receipt.costNano.toString(),
    metered_units: Pricing.unitsToJson(UsageReceipt.units(receipt)),
    response_hash: jsonBytes(receipt.responseHash),
    outcome,
    answer_status: answer.status,
    answer_headers: answer.headers,
    answer_body: answer.body === null ? null : jsonBytes(hexOf(answer.body)),
  };
}
