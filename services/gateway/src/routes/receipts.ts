import type { Pool } from "@tac/kit";
import { Errors, Wire } from "@tac/protocol";
import type { FastifyInstance } from "fastify";
import type { Hex } from "viem";
import { z } from "zod";
import { CHARGE_WAIT_MS } from "../call/DeferredCharges.ts";
import { waitFor } from "../call/waitFor.ts";
import type { Deps } from "../deps.ts";
import { bytesOf, hexOf } from "../ledger/bytes.ts";

const params = z.object({ receiptId: Wire.bytes32 });

type Row = {
  body: { receipt: unknown; receiptSignature: string };
  outcome: string;
  batch_hash: Buffer | null;
  lane_id: bigint | null;
  batch_number: bigint | null;
  transaction_hash: Buffer | null;
  block_number: bigint | null;
};

/** A receipt is shown to the holder of its job alone; to anyone else it does not exist. */
export function addReceiptRoutes(app: FastifyInstance, { authenticator, pool }: Deps): void {
  app.get("/v1/receipts/:receiptId", async (request) => {
    const { receiptId } = Wire.parse(params, request.params);
    const caller = await authenticator.authenticate(request, "read");
    await authenticator.spend(caller.job.jobId, caller.proof);
    const row = await waitFor(CHARGE_WAIT_MS, () => read(pool, receiptId, caller.job.jobId));
    if (row === null) throw Errors.fromCode("unknown_receipt");
    return {
      receipt: row.body.receipt,
      signature: row.body.receiptSignature,
      outcome: row.outcome,
      settlement: settlementOf(row),
    };
  });
}

/** Null while the call runs. Errors: `unknown_receipt` for a call that the job has not made, or was not charged for. */
async function read(pool: Pool, receiptId: Hex, jobId: Hex): Promise<Row | null> {
  const { rows } = await pool.query<Row | { body: null }>(
    `SELECT e.event->'body' AS body, c.outcome, b.*
       FROM calls c LEFT JOIN feed_events e ON e.gateway = c.feed_gateway AND e.seq = c.feed_seq
            LEFT JOIN batches b USING (batch_hash)
      WHERE c.receipt_id = $1 AND c.job_id = $2 AND c.state <> 'released'`,
    [bytesOf(receiptId), bytesOf(jobId)],
  );
  const [row] = rows;
  if (row === undefined) throw Errors.fromCode("unknown_receipt");
  return row.body === null ? null : row;
}

function settlementOf(row: Row): Record<string, string | number | Hex> | null {
  if (row.batch_hash === null || row.transaction_hash === null) return null;
  return {
    laneId: Number(row.lane_id),
    batchNumber: String(row.batch_number),
    batchHash: hexOf(row.batch_hash),
    transactionHash: hexOf(row.transaction_hash),
    blockNumber: String(row.block_number),
  };
}
