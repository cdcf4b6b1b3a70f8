import { BatchHeader, Line, Sources, UsageReceipt, Wire } from "@tac/protocol";
import { z } from "zod";
import type { Plan } from "../rules/plan.ts";
import type { RejectionCode } from "../rules/Verdict.ts";

/** One accepted receipt as it lies in a batch; the order in a list is the order of the leaves. */
export const signedReceiptSchema = z.strictObject({
  receipt: UsageReceipt.schema,
  receiptSignature: Wire.signature,
});
export type SignedReceipt = z.infer<typeof signedReceiptSchema>;

const refusedSchema = z.strictObject({
  gateway: Wire.address,
  seq: Wire.uint64,
  code: z.custom<RejectionCode>((value) => typeof value === "string"),
  reason: z.string(),
});

/**
 * What a commitment of the batch applies to the store. Of a batch this replica recomputed, `receipts` is null: they are
 * the calls in the batch's ranges that are not refused, and lie in its store already.
 */
export const contentSchema = z.strictObject({
  lines: z.array(Line.schema),
  receipts: z.array(signedReceiptSchema).nullable(),
  refused: z.array(refusedSchema),
});
export type BatchContent = z.infer<typeof contentSchema>;

export const contentOf = ({ batch, settlement }: Plan): BatchContent => ({
  lines: batch.lines,
  receipts: null,
  refused: settlement.refused,
});

export const signedReceiptToJson = ({ receipt, receiptSignature }: SignedReceipt) => ({
  receipt: UsageReceipt.toJson(receipt),
  receiptSignature,
});

export const contentToJson = (content: BatchContent) => ({
  lines: content.lines.map(Line.toJson),
  receipts: content.receipts?.map(signedReceiptToJson) ?? null,
  refused: content.refused.map((refusal) => ({ ...refusal, seq: refusal.seq.toString() })),
});

export const partialSchema = z.strictObject({
  replica: z.int().min(1).max(255),
  publicShare: Wire.hex(256),
  signature: Wire.hex(128),
});
export type Partial = z.infer<typeof partialSchema>;

/**
 * The body of `GET /v1/batches/:batchNumber`: all that is needed to check the batch against its on-chain header. Members
 * beyond it, such as what became of the lines, every replica reads from the chain itself.
 */
export const batchBodySchema = z.object({
  header: BatchHeader.schema,
  lines: z.array(Line.schema),
  sources: Sources.schema,
  receipts: z.array(signedReceiptSchema),
  partials: z.array(partialSchema),
  signature: Wire.hex(128).nullable(),
  batchHash: Wire.bytes32,
  transactionHash: Wire.bytes32,
  blockNumber: Wire.uint64,
});
export type BatchBody = z.infer<typeof batchBodySchema>;

export const batchBodyToJson = (body: BatchBody) => ({
  header: BatchHeader.toJson(body.header),
  lines: body.lines.map(Line.toJson),
  sources: Sources.toJson(body.sources),
  receipts: body.receipts.map(signedReceiptToJson),
  partials: body.partials,
  signature: body.signature,
  batchHash: body.batchHash,
  transactionHash: body.transactionHash,
  blockNumber: body.blockNumber.toString(),
});
