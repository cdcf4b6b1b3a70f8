import type { Deployment, Invoice, Tariff, UsageReceipt } from "@tac/protocol";
import type { Hex } from "viem";
import type { BatchCommitted, LineSettled, Locked, Released } from "../chain/events.ts";

/** A line of the job as the chain settled it, and the batch whose event precedes it in its transaction. */
export type JobSettlement = { event: LineSettled; laneId: number; batchNumber: bigint };

export type JobBatch = {
  committed: BatchCommitted;
  signature: Hex;
  publicKey: Hex;
  signers: Invoice.InvoiceBatch["signers"];
};

export type JobReceipt = {
  receipt: UsageReceipt.UsageReceipt;
  receiptSignature: Hex;
  laneId: number;
  batchNumber: bigint;
  proof: Hex[];
};

/** Everything an invoice is made of. `settlements` are all of the job up to its end, in the order of the chain. */
export type JobFacts = {
  deployment: Deployment.Deployment;
  locked: Locked;
  released: Released | null;
  settlements: JobSettlement[];
  batches: JobBatch[];
  receipts: JobReceipt[];
  tariffs: Tariff.Tariff[];
};
