import { ProtocolError, UsageReceipt, Wire } from "@tac/protocol";
import type { Hex } from "viem";
import { z } from "zod";
import type { ClientCore } from "../ClientCore.ts";
import { callJson, integer } from "../call/callJson.ts";
import type { Job } from "../job/Job.ts";
import type { JobSettlement } from "./settlement.ts";

export type SignedReceipt = {
  receipt: UsageReceipt.UsageReceipt;
  /** The gateway's EIP-712 signature of the receipt. */
  signature: Hex;
  /** Null until the receipt's batch is on chain. */
  settlement: JobSettlement | null;
};

export type ReceiptOptions = { signal?: AbortSignal };

const schema: z.ZodType<SignedReceipt> = z.object({
  receipt: UsageReceipt.schema,
  signature: Wire.signature,
  settlement: z
    .object({
      batchNumber: integer,
      batchHash: Wire.bytes32,
      transactionHash: Wire.bytes32,
      blockNumber: integer,
    })
    .nullish()
    .transform((settlement) => settlement ?? null),
});

/**
 * The receipt of one call, checked: it must be of this job and signed by the gateway that was quoted. Throws
 * `unknown_receipt`, `wrong_job` or `invalid_signature`.
 */
export async function receipt(
  core: ClientCore,
  job: Job,
  receiptId: Hex,
  options: ReceiptOptions = {},
): Promise<SignedReceipt> {
  const signed = await callJson(
    core.callGateway,
    {
      method: "GET",
      path: `/v1/receipts/${encodeURIComponent(receiptId)}`,
      prover: core.sessions.prover(job),
      signal: options.signal,
    },
    schema,
  );
  const issued = signed.receipt;
  const isOfJob = issued.jobId === job.jobId && issued.capabilityHash === job.capabilityHash;
  if (issued.receiptId !== receiptId || !isOfJob) {
    throw new ProtocolError("wrong_job", { detail: "The receipt is for another call." });
  }
  const signer = UsageReceipt.recover(issued, signed.signature, core.domains.usageReceipts);
  const { gateway } = job.signedQuote.quote;
  if (issued.gateway !== gateway || signer !== gateway) {
    throw new ProtocolError("invalid_signature", {
      detail: "The receipt is not signed by the job's gateway.",
    });
  }
  return signed;
}
