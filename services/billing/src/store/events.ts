import { type Pool, type Transaction, withTransaction } from "@tac/kit";
import type { Deployment } from "@tac/protocol";
import type { Hex } from "viem";
import { z } from "zod";
import { decodeLog, type RawLog } from "../chain/decodeLog.ts";
import type { AggregatorKeySet, BatchCommitted, BillingEvent } from "../chain/events.ts";

const CURSOR = "chain";
const hexText = z.templateLiteral(["0x", z.string()]);
const storedLog = z.object({ address: hexText, topics: z.array(hexText), data: hexText });

type EventRow = {
  transaction_hash: Hex;
  log_index: number;
  block_number: bigint;
  lane_id: bigint | null;
  batch_number: bigint | null;
  log: unknown;
};

/** An event with the batch it belongs to; null for events outside a batch. */
export type StoredEvent = { event: BillingEvent; laneId: number | null; batchNumber: bigint | null };

/** The last block whose logs are stored. */
export async function loadCursor(pool: Pool): Promise<bigint | undefined> {
  const { rows } = await pool.query<{ block: bigint }>("SELECT block FROM cursors WHERE name = $1", [CURSOR]);
  return rows[0]?.block;
}

/**
 * Stores the logs of whole blocks up to `toBlock` together with the cursor, all or nothing. Logs already stored are
 * left alone, so that a range may come twice.
 */
export async function recordLogs(
  pool: Pool,
  deployment: Deployment.Deployment,
  logs: readonly RawLog[],
  toBlock: bigint,
): Promise<void> {
  await withTransaction(pool, async (transaction) => {
    const openBatches = new Map<Hex, BatchCommitted>();
    for (const log of logs) {
      const event = decodeLog(log, deployment);
      if (event === null) continue;
      if (event.name === "BatchCommitted") openBatches.set(event.transactionHash, event);
      const batch = event.name === "LineSettled" ? openBatches.get(event.transactionHash) : undefined;
      await insertEvent(transaction, log, event, batch);
    }
    await transaction.query(
      `INSERT INTO cursors (name, block) VALUES ($1, $2)
       ON CONFLICT (name) DO UPDATE SET block = GREATEST(cursors.block, excluded.block)`,
      [CURSOR, toBlock],
    );
  });
}

async function insertEvent(
  transaction: Transaction,
  log: RawLog,
  event: BillingEvent,
  batch: BatchCommitted | undefined,
): Promise<void> {
  const laneId = "laneId" in event ? event.laneId : (batch?.laneId ?? null);
  const batchNumber = "batchNumber" in event ? event.batchNumber : (batch?.batchNumber ?? null);
  await transaction.query(
    `INSERT INTO chain_events
       (transaction_hash, log_index, block_number, name, job_id, lane_id, batch_number, key_epoch, log)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING`,
    [
      event.transactionHash,
      event.logIndex,
      event.blockNumber,
      event.name,
      "jobId" in event ? event.jobId : null,
      laneId,
      batchNumber,
      "keyEpoch" in event ? event.keyEpoch : null,
      JSON.stringify({ address: log.address, topics: log.topics, data: log.data }),
    ],
  );
  if (event.name === "BatchCommitted")
    await transaction.query(
      `INSERT INTO batches (lane_id, batch_number, transaction_hash, log_index) VALUES ($1, $2, $3, $4)
       ON CONFLICT DO NOTHING`,
      [event.laneId, event.batchNumber, event.transactionHash, event.logIndex],
    );
  if (event.name === "Released") await markFinal(transaction, event.jobId, event);
}

/** Notes that the event at `place` may have closed the job; the first such event of a job is the one that did. */
export async function markFinal(
  transaction: Transaction,
  jobId: Hex,
  place: { blockNumber: bigint; logIndex: number },
): Promise<void> {
  await transaction.query(
    `INSERT INTO final_jobs (job_id, block_number, log_index) VALUES ($1, $2, $3)
     ON CONFLICT (job_id) DO UPDATE SET block_number = excluded.block_number, log_index = excluded.log_index
     WHERE (excluded.block_number, excluded.log_index) < (final_jobs.block_number, final_jobs.log_index)`,
    [jobId, place.blockNumber, place.logIndex],
  );
}

const COLUMNS = "transaction_hash, log_index, block_number, lane_id, batch_number, log";

/** Every stored event of a job, in the order of the chain. */
export async function eventsOfJob(
  pool: Pool,
  deployment: Deployment.Deployment,
  jobId: Hex,
): Promise<StoredEvent[]> {
  const { rows } = await pool.query<EventRow>(
    `SELECT ${COLUMNS} FROM chain_events WHERE job_id = $1 ORDER BY block_number, log_index`,
    [jobId],
  );
  return rows.map((row) => fromRow(row, deployment));
}

/** Settlements in a batch, in the order of its lines. */
export async function eventsOfBatch(
  pool: Pool,
  deployment: Deployment.Deployment,
  laneId: number,
  batchNumber: bigint,
): Promise<StoredEvent[]> {
  const { rows } = await pool.query<EventRow>(
    `SELECT ${COLUMNS} FROM chain_events e
     WHERE transaction_hash = (SELECT transaction_hash FROM batches WHERE lane_id = $1 AND batch_number = $2)
       AND lane_id = $1 AND batch_number = $2 ORDER BY log_index`,
    [laneId, batchNumber],
  );
  return rows.map((row) => fromRow(row, deployment));
}

/** The group key of an epoch; null when the chain has not set it. */
export async function keyOfEpoch(
  pool: Pool,
  deployment: Deployment.Deployment,
  laneId: number,
  keyEpoch: number,
): Promise<AggregatorKeySet | null> {
  const { rows } = await pool.query<EventRow>(
    `SELECT ${COLUMNS} FROM chain_events
     WHERE name = 'AggregatorKeySet' AND lane_id = $1 AND key_epoch = $2
     ORDER BY block_number DESC, log_index DESC LIMIT 1`,
    [laneId, keyEpoch],
  );
  const event = rows[0] === undefined ? undefined : fromRow(rows[0], deployment).event;
  return event?.name === "AggregatorKeySet" ? event : null;
}

function fromRow(row: EventRow, deployment: Deployment.Deployment): StoredEvent {
  const event = decodeLog(
    {
      ...storedLog.parse(row.log),
      transactionHash: row.transaction_hash,
      blockNumber: row.block_number,
      logIndex: row.log_index,
    },
    deployment,
  );
  if (event === null)
    throw new Error(
      `Log ${row.log_index} of ${row.transaction_hash} is of another deployment than this one.`,
    );
  return { event, laneId: row.lane_id === null ? null : Number(row.lane_id), batchNumber: row.batch_number };
}
