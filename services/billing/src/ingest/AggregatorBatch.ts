import { BatchHeader, Line, UsageReceipt, Wire } from "@tac/protocol";
import { z } from "zod";

/** What an aggregator answers to `GET /v1/batches/:batchNumber`; members billing has no use for are dropped. */
export const aggregatorBatchSchema = z.object({
  header: BatchHeader.schema,
  lines: z.array(Line.schema),
  receipts: z.array(z.object({ receipt: UsageReceipt.schema, receiptSignature: Wire.signature })),
  partials: z.array(
    z.object({ replica: z.int().min(1), publicShare: Wire.hex(256), signature: Wire.hex(128) }),
  ),
  // A replica that learnt of the batch from the chain may not have the group's signature.
  signature: Wire.hex(128).nullable(),
});

export type AggregatorBatch = z.output<typeof aggregatorBatchSchema>;
