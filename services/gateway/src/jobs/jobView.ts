import type { Pool } from "@tac/kit";
import { Errors } from "@tac/protocol";
import type { Hex } from "viem";
import { bytesOf, hexOf } from "../ledger/bytes.ts";
import type { JobStore } from "./JobStore.ts";

type SettlementRow = {
  batch_number: bigint;
  batch_hash: Buffer;
  transaction_hash: Buffer;
  block_number: bigint;
};

/** A job as GET /v1/jobs/:jobId shows it: the balances are those that holds are checked against. */
export async function jobView({ pool, jobs }: { pool: Pool; jobs: JobStore }, jobId: Hex) {
  const [state, settlements] = await Promise.all([
    jobs.state(jobId),
    pool.query<SettlementRow>(
      `SELECT b.* FROM job_settlements s JOIN batches b USING (batch_hash)
        WHERE s.job_id = $1 ORDER BY b.lane_id, b.batch_number LIMIT 1000`,
      [bytesOf(jobId)],
    ),
  ]);
  if (state === null) throw Errors.fromCode("unknown_job");
  return {
    jobId,
    status: state.status,
    lockedNano: state.lockedNano.toString(),
    heldNano: state.heldNano.toString(),
    spentNano: state.spentNano.toString(),
    receipts: state.receiptCount,
    settlements: settlements.rows.map((row) => ({
      batchNumber: row.batch_number.toString(),
      batchHash: hexOf(row.batch_hash),
      transactionHash: hexOf(row.transaction_hash),
      blockNumber: row.block_number.toString(),
    })),
  };
}
