import { UsageReceipt } from "@tac/protocol";
import type { SignedReceipt } from "./content.ts";

export const INSERT_RECEIPTS = `
  INSERT INTO receipts (batch_number, leaf_index, receipt_id, gateway, job_id, proof_hash, cost_nano, receipt, receipt_signature)
  SELECT $1::bigint, leaf.* FROM unnest($2::integer[], $3::text[], $4::text[], $5::text[], $6::text[], $7::numeric[],
                                        $8::json[], $9::text[]) AS leaf`;

export const REFUSE_EVENTS = `
  UPDATE events e SET refused_by_batch = e.code IS NULL, code = coalesce(e.code, r.code), reason = coalesce(e.reason, r.reason)
  FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[]) AS r(gateway, seq, code, reason)
  WHERE e.gateway = r.gateway AND e.seq = r.seq`;

// Content fetched from a peer brings no refusals, so what the batch does not hold is marked as left out.
export const LEAVE_OUT = `
  UPDATE events e SET refused_by_batch = true, code = 'left_out', reason = 'The batch that covers the event left it out.'
  FROM batch_ranges b
  WHERE b.batch_number = $1 AND e.gateway = b.gateway AND e.seq > b.from_seq AND e.seq <= b.to_seq
    AND e.kind = 'usage' AND e.code IS NULL
    AND NOT EXISTS (SELECT FROM receipts r WHERE r.receipt_id = e.receipt_id AND r.batch_number = $1)`;

// Leaves ascend by receipt id. Counted by the caller against the header, for the store must hold exactly the batch.
export const INSERT_OWN_RECEIPTS = `
  INSERT INTO receipts (batch_number, leaf_index, receipt_id, gateway, seq, job_id, proof_hash, cost_nano)
  SELECT $1, row_number() OVER (ORDER BY receipt_id COLLATE "C") - 1, receipt_id, e.gateway, e.seq, job_id, proof_hash,
         cost_nano
    FROM batch_ranges b JOIN events e ON e.gateway = b.gateway AND e.seq > b.from_seq AND e.seq <= b.to_seq
   WHERE b.batch_number = $1 AND e.kind = 'usage' AND e.code IS NULL`;

export const ADD_TO_TOTALS = `
  INSERT INTO job_totals SELECT job_id, sum(cost_nano) FROM receipts WHERE batch_number = $1 GROUP BY job_id
  ON CONFLICT (job_id) DO UPDATE SET settled_nano = job_totals.settled_nano + excluded.settled_nano`;

export const receiptColumns = (batchNumber: bigint, receipts: readonly SignedReceipt[]): unknown[] => [
  batchNumber,
  receipts.map((_, index) => index),
  receipts.map(({ receipt }) => receipt.receiptId),
  receipts.map(({ receipt }) => receipt.gateway),
  receipts.map(({ receipt }) => receipt.jobId),
  receipts.map(({ receipt }) => receipt.proofHash),
  receipts.map(({ receipt }) => receipt.costNano.toString()),
  receipts.map(({ receipt }) => JSON.stringify(UsageReceipt.toJson(receipt))),
  receipts.map(({ receiptSignature }) => receiptSignature),
];

// What a replica refused by its own validation stays refused; what a batch refused is open again.
export const TAKE_BACK = [
  `UPDATE feeds f SET committed_seq = first.from_seq, committed_hash = coalesce(
      (SELECT e.hash FROM events e WHERE e.gateway = f.gateway AND e.seq = first.from_seq),
      (SELECT range->>'toHash' FROM committed_batches b, jsonb_array_elements(b.sources->'ranges') AS range
        WHERE range->>'gateway' = f.gateway AND (range->>'toSeq')::bigint = first.from_seq),
      '0x' || repeat('0', 64))
     FROM (SELECT gateway, min(from_seq) AS from_seq FROM batch_ranges WHERE batch_number >= $1 GROUP BY gateway) AS first
    WHERE f.gateway = first.gateway`,
  `UPDATE events e SET code = NULL, reason = NULL, refused_by_batch = false FROM batch_ranges b
    WHERE b.batch_number >= $1 AND e.gateway = b.gateway AND e.seq > b.from_seq AND e.seq <= b.to_seq AND e.refused_by_batch`,
  `UPDATE job_totals t SET settled_nano = t.settled_nano - gone.sum
     FROM (SELECT job_id, sum(cost_nano) FROM receipts WHERE batch_number >= $1 GROUP BY job_id) AS gone
    WHERE t.job_id = gone.job_id`,
  "DELETE FROM deliveries WHERE batch_number >= $1",
  "DELETE FROM receipts WHERE batch_number >= $1",
  "DELETE FROM batch_ranges WHERE batch_number >= $1",
  "DELETE FROM line_outcomes WHERE batch_number >= $1",
  "DELETE FROM committed_batches WHERE batch_number >= $1",
];
