import { bigintArray, byteaArray, textArray } from "@tac/kit";
import { Pricing, UsageReceipt } from "@tac/protocol";
import type { Hex } from "viem";
import { bytesOf } from "./bytes.ts";

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

/** The columns as `capture_calls` reads them. */
export function toColumns(captures: readonly Capture[]): Buffer[] {
  return [
    byteaArray(captures.map(({ callId }) => callId)),
    byteaArray(captures.map(({ receipt }) => receipt.jobId)),
    bigintArray(captures.map(({ receipt }) => receipt.costNano)),
    textArray(captures.map(({ receipt }) => unitsText(receipt))),
    byteaArray(captures.map(({ receipt }) => receipt.responseHash)),
    textArray(captures.map(({ outcome }) => outcome)),
    bigintArray(captures.map(({ answer }) => answer.status)),
    textArray(captures.map(({ answer }) => JSON.stringify(answer.headers))),
    byteaArray(captures.map(({ answer }) => answer.body)),
  ];
}

/** One charge as `capture_call` reads it. */
export function toValues({ callId, receipt, outcome, answer }: Capture): unknown[] {
  return [
    bytesOf(callId),
    bytesOf(receipt.jobId),
    receipt.costNano,
    unitsText(receipt),
    bytesOf(receipt.responseHash),
    outcome,
    answer.status,
    JSON.stringify(answer.headers),
    answer.body,
  ];
}

function unitsText(receipt: UsageReceipt.UsageReceipt): string {
  return JSON.stringify(Pricing.unitsToJson(UsageReceipt.units(receipt)));
}
