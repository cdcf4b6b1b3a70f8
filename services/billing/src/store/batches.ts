import { type Pool, withTransaction } from "@tac/kit";
import { type Deployment, type Line, Tariff, UsageReceipt, Wire } from "@tac/protocol";
import type { Hex } from "viem";
import { z } from "zod";
import type { BatchCommitted } from "../chain/events.ts";
import type { CheckedBatch } from "../ingest/checkBatch.ts";
import type { JobReceipt } from "../invoice/JobFacts.ts";
import { eventsOfBatch, markFinal } from "./events.ts";

export type BatchRef = { laneId: number; batchNumber: bigint };

const ROWS_PER_INSERT = 1_000;
const signersSchema = z.array(
  z.object({ replica: z.int(), publicShare: Wire.hex(256), partialSignature: Wire.hex(128) }),
);
const proofSchema = z.array(Wire.bytes32);

/** Statuses of a line that the vault never charged; such a line closes nothing, even a final one. */
const UNCHARGED: readonly Line.LineStatus[] = ["UnknownJob", "LockClosed", "NotAscending", "OverBatchTotal"];

/** Batches the chain committed whose content is still missing, oldest first. */
export async function batchesToCollect(pool: Pool, limit: number): Promise<BatchRef[]> {
  const { rows } = await pool.query<{ lane_id: bigint; batch_number: bigint }>(
    `SELECT lane_id, batch_number FROM batches WHERE collected_at IS NULL
     ORDER BY lane_id, batch_number LIMIT $1`,
    [limit],
  );
  return rows.map((row) => ({ laneId: Number(row.lane_id), batchNumber: row.batch_number }));
}

/** The event that committed a batch, and whether its content is stored. Null for a batch the chain does not have. */
export async function findBatch(
  pool: Pool,
  deployment: Deployment.Deployment,
  { laneId, batchNumber }: BatchRef,
): Promise<{ committed: BatchCommitted; isCollected: boolean } | null> {
  const { rows } = await pool.query<{ is_collected: boolean }>(
    `SELECT collected_at IS NOT NULL AS is_collected FROM batches WHERE lane_id = $1 AND batch_number = $2`,
    [laneId, batchNumber],
  );
  const events = await eventsOfBatch(pool, deployment, laneId, batchNumber);
  const committed = events.map(({ event }) => event).find((event) => event.name === "BatchCommitted");
  if (rows[0] === undefined || committed === undefined) return null;
  return { committed, isCollected: rows[0].is_collected };
}

/** Stores the content of a batch and the jobs it made final, once; the same again changes nothing. */
export async function saveBatch(
  pool: Pool,
  deployment: Deployment.Deployment,
  { laneId, batchNumber }: BatchRef,
  batch: CheckedBatch,
): Promise<void> {
  const events = await eventsOfBatch(pool, deployment, laneId, batchNumber);
  const settled = events.map(({ event }) => event).filter((event) => event.name === "LineSettled");
  await withTransaction(pool, async (transaction) => {
    const { rowCount } = await transaction.query(
      `UPDATE batches SET signature = $3, signers = $4, collected_at = now()
       WHERE lane_id = $1 AND batch_number = $2 AND collected_at IS NULL`,
      [laneId, batchNumber, batch.signature, JSON.stringify(batch.signers)],
    );
    if (rowCount === 0) return;
    for (let start = 0; start < batch.receipts.length; start += ROWS_PER_INSERT) {
      const rows = batch.receipts.slice(start, start + ROWS_PER_INSERT);
      await transaction.query(
        `INSERT INTO receipts (lane_id, batch_number, receipt_id, job_id, receipt, receipt_signature, proof)
         SELECT $1, $2, * FROM unnest($3::text[], $4::text[], $5::jsonb[], $6::text[], $7::jsonb[])
         ON CONFLICT DO NOTHING`,
        [
          laneId,
          batchNumber,
          rows.map(({ receipt }) => receipt.receiptId),
          rows.map(({ receipt }) => receipt.jobId),
          rows.map(({ receipt }) => JSON.stringify(UsageReceipt.toJson(receipt))),
          rows.map(({ receiptSignature }) => receiptSignature),
          rows.map(({ proof }) => JSON.stringify(proof)),
        ],
      );
    }
    for (const [index, line] of batch.lines.entries()) {
      const event = settled[index];
      // One LineSettled is logged per line, in the order of the lines.
      if (event === undefined || event.jobId !== line.jobId)
        throw new Error(
          `Batch ${batchNumber} of lane ${laneId} has ${batch.lines.length} lines, logged otherwise.`,
        );
      if (line.isFinal && !UNCHARGED.includes(event.outcome.status))
        await markFinal(transaction, line.jobId, event);
    }
  });
}

/** Who signed a batch; null while its content is missing. */
export async function signaturesOf(
  pool: Pool,
  { laneId, batchNumber }: BatchRef,
): Promise<{ signature: Hex; signers: CheckedBatch["signers"] } | null> {
  const { rows } = await pool.query<{ signature: string | null; signers: unknown }>(
    "SELECT signature, signers FROM batches WHERE lane_id = $1 AND batch_number = $2",
    [laneId, batchNumber],
  );
  const row = rows[0];
  if (row === undefined || row.signature === null) return null;
  return { signature: Wire.hex(128).parse(row.signature), signers: signersSchema.parse(row.signers) };
}

type ReceiptRow = {
  lane_id: bigint;
  batch_number: bigint;
  receipt: unknown;
  receipt_signature: string;
  proof: unknown;
};

/** The receipts of a job in all batches stored. */
export async function receiptsOfJob(pool: Pool, jobId: Hex): Promise<JobReceipt[]> {
  const { rows } = await pool.query<ReceiptRow>(
    `SELECT lane_id, batch_number, receipt, receipt_signature, proof FROM receipts
     WHERE job_id = $1 ORDER BY lane_id, batch_number, receipt_id`,
    [jobId],
  );
  return rows.map((row) => ({
    receipt: UsageReceipt.schema.parse(row.receipt),
    receiptSignature: Wire.signature.parse(row.receipt_signature),
    laneId: Number(row.lane_id),
    batchNumber: row.batch_number,
    proof: proofSchema.parse(row.proof),
  }));
}

/** The stored tariffs among those named. */
export async function tariffsByHash(pool: Pool, hashes: readonly Hex[]): Promise<Map<Hex, Tariff.Tariff>> {
  const { rows } = await pool.query<{ tariff_hash: Hex; tariff: unknown }>(
    "SELECT tariff_hash, tariff FROM tariffs WHERE tariff_hash = ANY($1) ORDER BY tariff_hash",
    [hashes],
  );
  return new Map(rows.map((row) => [row.tariff_hash, Tariff.schema.parse(row.tariff)]));
}

export async function saveTariff(pool: Pool, tariff: Tariff.Tariff): Promise<void> {
  await pool.query("INSERT INTO tariffs (tariff_hash, tariff) VALUES ($1, $2) ON CONFLICT DO NOTHING", [
    Tariff.hash(tariff),
    JSON.stringify(Tariff.toJson(tariff)),
  ]);
}
