import { type Pool, textArray, withTransaction } from "@tac/kit";
import { BatchHeader, Line, Sources, Wire } from "@tac/protocol";
import type { Address, Hex } from "viem";
import { z } from "zod";
import type { ChainEvent } from "../chain/ChainPort.ts";
import {
  type Committed,
  type CommittedRow,
  insertCommitted,
  insertLock,
  insertOutcomes,
  isOtherApplied,
  takeBack,
  toCommitted,
} from "./batchRows.ts";
import {
  ADD_TO_TOTALS,
  INSERT_OWN_RECEIPTS,
  INSERT_RECEIPTS,
  LEAVE_OUT,
  REFUSE_EVENTS,
  receiptColumns,
} from "./batchSql.ts";
import {
  type BatchBody,
  type BatchContent,
  type Partial,
  partialSchema,
  signedReceiptSchema,
} from "./content.ts";

/** A block up to which everything of the chain is in the store. */
export type FollowedBlock = { number: bigint; hash: Hex };

/** So far back a reorganisation is found by its first block; one that is deeper still is followed from the start. */
export const KEPT_BLOCKS = 5_000;

export type SettledLine = { jobId: Hex; providerId: number; outcome: Line.LineOutcome };

/** What the store applies when the chain accepted a batch, wherever the content came from. */
export type Application = {
  sources: Sources.Sources;
  content: BatchContent;
  signature: Hex | null;
  partials: Partial[];
};

type SettledBatch = {
  transactionHash: Hex;
  batchNumber: bigint;
  lines: (ChainEvent & { kind: "line-settled" })[];
};

/** `text` is that of the event of this replica's own feed; without one there was none when the batch was applied. */
type ReceiptRow = { receipt: unknown; receiptSignature: Hex | null; text: string | null };

const signedReceiptOf = ({ text, ...copy }: ReceiptRow): unknown => {
  if (text === null) return copy;
  const { receipt, receiptSignature } = JSON.parse(text).body;
  return { receipt, receiptSignature };
};

/** The chain as this replica followed it, and the batches it applied. */
export class BatchStore {
  readonly #pool: Pool;

  constructor(pool: Pool) {
    this.#pool = pool;
  }

  /** The next block to follow. A database of another deployment is refused, for its batches are of another lane. */
  async nextBlock(usageReceipts: Address, startBlock: bigint): Promise<bigint> {
    await this.#pool.query(
      "INSERT INTO chain_cursor (usage_receipts, next_block) VALUES ($1, $2) ON CONFLICT DO NOTHING",
      [usageReceipts, startBlock],
    );
    const { rows } = await this.#pool.query<{ usage_receipts: Address; next_block: bigint }>(
      "SELECT usage_receipts, next_block FROM chain_cursor",
    );
    const [cursor] = rows;
    if (cursor === undefined) throw new Error("The chain cursor is missing.");
    if (cursor.usage_receipts !== usageReceipts)
      throw new Error(
        `The database belongs to the deployment with UsageReceipts at ${cursor.usage_receipts}.`,
      );
    return cursor.next_block;
  }

  /** Records the events up to and with a block and moves the cursor behind it, in one transaction. */
  async follow(laneId: number, events: readonly ChainEvent[], last: FollowedBlock): Promise<void> {
    await withTransaction(this.#pool, async (transaction) => {
      let batch: SettledBatch | null = null;
      const settled: SettledBatch[] = [];
      for (const event of events) {
        if (event.kind === "locked") await insertLock(transaction, event);
        else if (event.kind === "batch-committed") {
          const isOurs = event.header.laneId === laneId;
          batch = isOurs
            ? {
                transactionHash: event.transactionHash,
                batchNumber: event.header.batchNumber,
                lines: [],
              }
            : null;
          if (batch !== null) {
            settled.push(batch);
            if (await isOtherApplied(transaction, event))
              await takeBack(transaction, event.header.batchNumber);
            await insertCommitted(transaction, event);
          }
        } else if (batch !== null && batch.transactionHash === event.transactionHash) batch.lines.push(event);
      }
      for (const { batchNumber, lines } of settled) await insertOutcomes(transaction, batchNumber, lines);
      await transaction.query("UPDATE chain_cursor SET next_block = $1", [last.number + 1n]);
      await transaction.query(
        "INSERT INTO followed_blocks VALUES ($1, $2) ON CONFLICT (block_number) DO UPDATE SET block_hash = $2",
        [last.number, last.hash],
      );
      await transaction.query(
        `DELETE FROM followed_blocks WHERE block_number <
           (SELECT min(block_number) FROM
             (SELECT block_number FROM followed_blocks ORDER BY block_number DESC LIMIT $1) AS newest)`,
        [KEPT_BLOCKS],
      );
    });
  }

  /** The newest blocks up to which the chain was followed, descending. */
  async followedBlocks(limit: number): Promise<FollowedBlock[]> {
    const { rows } = await this.#pool.query<FollowedBlock>(
      `SELECT block_number AS number, block_hash AS hash FROM followed_blocks ORDER BY block_number DESC LIMIT $1`,
      [limit],
    );
    return rows;
  }

  /** Forgets what was read after a block the chain still has. A batch that was applied stays so until it is void. */
  async rewind(lastBlock: bigint): Promise<void> {
    await withTransaction(this.#pool, async (transaction) => {
      await transaction.query("DELETE FROM locks WHERE block_number > $1", [lastBlock]);
      await transaction.query("DELETE FROM committed_batches WHERE block_number > $1 AND NOT applied", [
        lastBlock,
      ]);
      await transaction.query("DELETE FROM followed_blocks WHERE block_number > $1", [lastBlock]);
      await transaction.query("UPDATE chain_cursor SET next_block = $1", [lastBlock + 1n]);
    });
  }

  /**
   * Takes back what was applied from a batch on, because the chain can never have that batch again: another one is in its
   * place, or its key epoch is over. What it settled is pending again.
   */
  async takeBack(batchNumber: bigint): Promise<void> {
    await withTransaction(this.#pool, (transaction) => takeBack(transaction, batchNumber));
  }

  async lockedCapabilities(jobIds: readonly Hex[], block: bigint): Promise<Map<Hex, Hex>> {
    const { rows } = await this.#pool.query<{ job_id: Hex; capability_hash: Hex }>(
      "SELECT job_id, capability_hash FROM locks WHERE job_id = ANY($1) AND block_number <= $2",
      [jobIds, block],
    );
    return new Map(rows.map((row) => [row.job_id, row.capability_hash]));
  }

  /** The number and block of the newest batch that was applied, or null before the first. */
  async lastApplied(): Promise<{ batchNumber: bigint; blockNumber: bigint } | null> {
    const { rows } = await this.#pool.query<{ batch_number: bigint; block_number: bigint }>(
      "SELECT batch_number, block_number FROM committed_batches WHERE applied ORDER BY batch_number DESC LIMIT 1",
    );
    const [row] = rows;
    return row === undefined ? null : { batchNumber: row.batch_number, blockNumber: row.block_number };
  }

  /** The oldest batch the chain committed that was not applied yet. */
  async nextUnapplied(): Promise<Committed | null> {
    const { rows } = await this.#pool.query<CommittedRow>(
      "SELECT * FROM committed_batches WHERE NOT applied ORDER BY batch_number LIMIT 1",
    );
    return rows[0] === undefined ? null : toCommitted(rows[0]);
  }

  /** Applies a committed batch: receipts, refusals, cursors, deliveries; all or nothing, and only once. */
  async apply({ header }: Committed, application: Application, deliverAtMs: bigint): Promise<void> {
    const { sources, content, signature, partials } = application;
    const number = header.batchNumber;
    await withTransaction(this.#pool, async (transaction) => {
      const claimed = await transaction.query(
        `UPDATE committed_batches SET applied = true, sources = $2, lines = $3, signature = $4, partials = $5
          WHERE batch_number = $1 AND NOT applied`,
        [
          number,
          JSON.stringify(Sources.toJson(sources)),
          JSON.stringify(content.lines.map(Line.toJson)),
          signature,
          JSON.stringify(partials),
        ],
      );
      if (claimed.rowCount === 0) return;
      if (content.receipts !== null)
        await transaction.query(INSERT_RECEIPTS, receiptColumns(number, content.receipts));
      for (const range of sources.ranges) {
        await transaction.query(
          `INSERT INTO feeds (gateway, pulled_hash, committed_seq, committed_hash) VALUES ($1, $2, $3, $4)
           ON CONFLICT (gateway) DO UPDATE SET committed_seq = $3, committed_hash = $4`,
          [range.gateway, `0x${"00".repeat(32)}`, range.toSeq, range.toHash],
        );
        await transaction.query("INSERT INTO batch_ranges VALUES ($1, $2, $3, $4)", [
          range.gateway,
          range.toSeq,
          range.fromSeq,
          number,
        ]);
      }
      await transaction.query(REFUSE_EVENTS, [
        content.refused.map(({ gateway }) => gateway),
        content.refused.map(({ seq }) => seq),
        content.refused.map(({ code }) => code),
        content.refused.map(({ reason }) => reason),
      ]);
      if (content.receipts === null) {
        const { rowCount } = await transaction.query(INSERT_OWN_RECEIPTS, [number]);
        if (rowCount !== header.receiptCount)
          throw new Error(
            `The store holds ${rowCount} receipts of batch ${number}, its header says ${header.receiptCount}.`,
          );
      } else await transaction.query(LEAVE_OUT, [number]);
      await transaction.query(ADD_TO_TOTALS, [number]);
      // A batch without receipts of a gateway can still hold the last line of one of its jobs.
      await transaction.query(
        `INSERT INTO deliveries (batch_number, gateway, next_attempt_at_ms)
         SELECT DISTINCT batch_number, gateway, $2::bigint FROM batch_ranges WHERE batch_number = $1`,
        [number, deliverAtMs],
      );
    });
  }

  async knownReceipts(receiptIds: readonly Hex[], proofHashes: readonly Hex[]) {
    const { rows } = await this.#pool.query<{ receipt_id: Hex; proof_hash: Hex }>(
      "SELECT receipt_id, proof_hash FROM receipts WHERE receipt_id = ANY($1::text[]) OR proof_hash = ANY($2::text[])",
      [textArray(receiptIds), textArray(proofHashes)],
    );
    return {
      receiptIds: new Set(rows.map((row) => row.receipt_id)),
      proofHashes: new Set(rows.map((row) => row.proof_hash)),
    };
  }

  /** Sum of each job's receipts in applied batches. */
  async settledNano(jobIds: readonly Hex[]): Promise<Map<Hex, bigint>> {
    const { rows } = await this.#pool.query<{ job_id: Hex; settled_nano: string }>(
      "SELECT job_id, settled_nano FROM job_totals WHERE job_id = ANY($1)",
      [jobIds],
    );
    return new Map(rows.map((row) => [row.job_id, BigInt(row.settled_nano)]));
  }

  /** The header of an applied batch. */
  async header(batchNumber: bigint): Promise<BatchHeader.BatchHeader | null> {
    const { rows } = await this.#pool.query<{ header: unknown }>(
      "SELECT header FROM committed_batches WHERE batch_number = $1 AND applied",
      [batchNumber],
    );
    return rows[0] === undefined ? null : Wire.parse(BatchHeader.schema, rows[0].header);
  }

  async batch(batchNumber: bigint): Promise<BatchBody | null> {
    const { rows } = await this.#pool.query<CommittedRow>(
      "SELECT * FROM committed_batches WHERE batch_number = $1 AND applied",
      [batchNumber],
    );
    const [row] = rows;
    if (row === undefined) return null;
    const receipts = await this.#pool.query<ReceiptRow>(
      `SELECT r.receipt, r.receipt_signature AS "receiptSignature", t.text
         FROM receipts r LEFT JOIN event_texts t ON t.gateway = r.gateway AND t.seq = r.seq
        WHERE r.batch_number = $1 ORDER BY r.leaf_index`,
      [batchNumber],
    );
    return {
      ...toCommitted(row),
      lines: Wire.parse(z.array(Line.schema), row.lines),
      sources: Wire.parse(Sources.schema, row.sources),
      receipts: Wire.parse(z.array(signedReceiptSchema), receipts.rows.map(signedReceiptOf)),
      partials: Wire.parse(z.array(partialSchema), row.partials),
      signature: row.signature,
    };
  }

  /** What the chain did with each line of a batch, in the order of the lines. */
  async outcomes(batchNumber: bigint): Promise<SettledLine[]> {
    const { rows } = await this.#pool.query<{ job_id: Hex; provider_id: bigint; outcome: string }>(
      `SELECT job_id, provider_id, outcome::text FROM line_outcomes WHERE batch_number = $1
        ORDER BY provider_id, job_id`,
      [batchNumber],
    );
    return rows.map((row) => ({
      jobId: row.job_id,
      providerId: Number(row.provider_id),
      outcome: Line.unpackOutcome(BigInt(row.outcome)),
    }));
  }

  /** The batch a settled receipt is in. */
  async batchOfReceipt(receiptId: Hex): Promise<bigint | null> {
    const { rows } = await this.#pool.query<{ batch_number: bigint }>(
      "SELECT batch_number FROM receipts WHERE receipt_id = $1",
      [receiptId],
    );
    return rows[0]?.batch_number ?? null;
  }
}
