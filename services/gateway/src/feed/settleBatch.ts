import { type Pool, withTransaction } from "@tac/kit";
import { Errors, MerkleTree, UsageReceipt, Wire } from "@tac/protocol";
import type { Hex } from "viem";
import type { ChainPort, CommittedBatch } from "../chain/ChainPort.ts";
import { bytesOf } from "../ledger/bytes.ts";

/** What an aggregator says about a committed batch. */
export type BatchNotice = {
  laneId: number;
  batchNumber: bigint;
  batchHash: Hex;
  transactionHash: Hex;
  receiptIds: Hex[];
};

/**
 * Marks receipts as settled by a batch, after the chain itself has shown that the transaction committed it. When all
 * of the batch's receipts are this gateway's, the batch's root must be theirs too. Idempotent; returns how many of
 * the receipts are now marked. Errors: `not_settled`, `invalid_request`, `chain_unavailable`.
 */
export async function settleBatch(
  { pool, chain }: { pool: Pool; chain: Pick<ChainPort, "batchOf" | "lockOf"> },
  notice: BatchNotice,
): Promise<number> {
  const committed = await chain.batchOf(notice.transactionHash);
  if (committed === null)
    throw Errors.fromCode("not_settled", { detail: "The transaction committed no batch." });
  const isSame =
    committed.laneId === notice.laneId &&
    committed.batchNumber === notice.batchNumber &&
    committed.batchHash === notice.batchHash;
  if (!isSame) {
    throw Errors.fromCode("invalid_request", {
      param: "batchHash",
      detail: "The transaction committed another batch.",
    });
  }
  await checkRoot(pool, committed, notice.receiptIds);
  const accepted = await mark(pool, committed, notice);
  await settleClosedJobs(pool, chain, committed.jobIds);
  return accepted;
}

async function checkRoot(pool: Pool, { header }: CommittedBatch, receiptIds: readonly Hex[]): Promise<void> {
  if (receiptIds.length > header.receiptCount) {
    throw Errors.fromCode("invalid_request", {
      param: "receiptIds",
      detail: "The batch has fewer receipts.",
    });
  }
  if (receiptIds.length !== header.receiptCount || receiptIds.length === 0) return;
  const { rows } = await pool.query<{ receipt: unknown }>(
    `SELECT e.event->'body'->'receipt' AS receipt
       FROM calls c JOIN feed_events e ON e.gateway = c.feed_gateway AND e.seq = c.feed_seq
      WHERE c.receipt_id = ANY($1) AND c.state = 'captured' ORDER BY c.receipt_id`,
    [receiptIds.map(bytesOf)],
  );
  if (rows.length !== header.receiptCount) return;
  const leaves = rows.map(({ receipt }) =>
    UsageReceipt.leaf(Wire.parse(UsageReceipt.schema, receipt, "internal")),
  );
  if (MerkleTree.root(leaves) !== header.receiptsRoot) {
    throw Errors.fromCode("invalid_request", {
      param: "receiptIds",
      detail: "The batch holds other receipts.",
    });
  }
}

async function mark(pool: Pool, committed: CommittedBatch, notice: BatchNotice): Promise<number> {
  return withTransaction(pool, async (transaction) => {
    const batchHash = bytesOf(committed.batchHash);
    await transaction.query("INSERT INTO batches VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING", [
      batchHash,
      committed.laneId,
      committed.batchNumber,
      bytesOf(notice.transactionHash),
      committed.blockNumber,
    ]);
    const { rowCount } = await transaction.query(
      `UPDATE calls SET batch_hash = $1
        WHERE receipt_id = ANY($2) AND state = 'captured' AND (batch_hash IS NULL OR batch_hash = $1)
          AND job_id = ANY($3)`,
      [batchHash, notice.receiptIds.map(bytesOf), committed.jobIds.map(bytesOf)],
    );
    await transaction.query(
      `INSERT INTO job_settlements SELECT job_id, $1 FROM jobs WHERE job_id = ANY($2) ON CONFLICT DO NOTHING`,
      [batchHash, committed.jobIds.map(bytesOf)],
    );
    return rowCount ?? 0;
  });
}

/** A closed job whose lock the chain has closed too is settled: nothing of it can be paid any more. */
async function settleClosedJobs(
  pool: Pool,
  chain: Pick<ChainPort, "lockOf">,
  jobIds: readonly Hex[],
): Promise<void> {
  const { rows } = await pool.query<{ job_id: Buffer }>(
    "SELECT job_id FROM jobs WHERE job_id = ANY($1) AND status = 'closed'",
    [jobIds.map(bytesOf)],
  );
  for (const { job_id: jobId } of rows) {
    const lock = await chain.lockOf(`0x${jobId.toString("hex")}`);
    if (lock.state !== "closed") continue;
    await pool.query("UPDATE jobs SET status = 'settled' WHERE job_id = $1 AND status = 'closed'", [jobId]);
  }
}
