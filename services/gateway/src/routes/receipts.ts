import { Errors, Wire } from "@tac/protocol";
import type { FastifyInstance } from "fastify";
import type { Hex } from "viem";
import { z } from "zod";
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
    const { rows } = await pool.query<Row>(
      `SELECT e.event->'body' AS body, c.outcome, b.*
         FROM calls c JOIN feed_events e ON e.gateway = c.feed_gateway AND e.seq = c.feed_seq
              LEFT JOIN batches b USING (batch_hash)
        WHERE c.receipt_id = $1 AND c.job_id = $2 AND c.state = 'captured'`,
      [bytesOf(receiptId), bytesOf(caller.job.jobId)],
    );
    const row = rows[0];
    if (row === undefined) throw Errors.fromCode("unknown_receipt");
    return {
      receipt: row.body.receipt,
      signature: row.body.receiptSignature,
      outcome: row.outcome,
      settlement: settlementOf(row),
    };
  });
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
