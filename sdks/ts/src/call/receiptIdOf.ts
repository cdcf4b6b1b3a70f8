import { Header, ProtocolError, UsageReceipt } from "@tac/protocol";
import type { Hex } from "viem";
import type { Job } from "../job/Job.ts";
import { type Answer, headerOf } from "./Answer.ts";

/**
 * The receipt id an answer carries, undefined without one. It follows from the gateway, the job and the call's
 * Idempotency-Key, so it was known before the call was sent; `wrong_job` for any other.
 */
export function receiptIdOf(answer: Answer, job: Job, idempotencyKey: string): Hex | undefined {
  const named = headerOf(answer, Header.receiptId);
  if (named === undefined) return undefined;
  const { gateway } = job.signedQuote.quote;
  const receiptId = UsageReceipt.receiptIdOfKey({ gateway, jobId: job.jobId, idempotencyKey });
  if (named === receiptId) return receiptId;
  throw new ProtocolError("wrong_job", {
    detail: `The gateway answered with the receipt id of another call than ${receiptId}.`,
    param: Header.receiptId,
  });
}
