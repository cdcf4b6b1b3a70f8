import { type Pool, type Transaction, withTransaction } from "@tac/kit";
import { BatchHeader, Line, Sources, UsageReceipt, Wire } from "@tac/protocol";
import type { Address, Hex } from "viem";
import { z } from "zod";
import type { ChainEvent } from "../chain/ChainPort.ts";
import {
  type BatchBody,
  type BatchContent,
  contentSchema,
  contentToJson,
  type Partial,
  partialSchema,
  signedReceiptSchema,
} from "./content.ts";

export type Committed = {
  batchHash: Hex;
  header: BatchHeader.BatchHeader;
  transactionHash: Hex;
  blockNumber: bigint;
};

export type StoredProposal = {
  view: bigint;
  batchHash: Hex;
  header: BatchHeader.BatchHeader;
  sources: Sources.Sources;
  partialSignature: Hex;
  groupSignature: Hex | null;
  partials: Partial[];
  transactionHash: Hex | null;
};

export type NewProposal = Omit<StoredProposal, "groupSignature" | "partials" | "transactionHash">;

/** How many proposals of one batch are kept with what they hold. */
const KEPT_CONTENTS = 16;

/** What the store applies when the chain accepted a batch, wherever the content came from. */
export type Application = {
  sources: Sources.Sources;
  content: BatchContent;
  signature: Hex | null;
  partials: Partial[];
};

/** The chain as this replica followed it, the proposals it signed, and the batches it applied. */
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

  /** Records the events of the blocks before `nextBlock` and moves the cursor, in one transaction. */
  async follow(laneId: number, events: readonly ChainEvent[], nextBlock: bigint): Promise<void> {
    await withTransaction(this.#pool, async (transaction) => {
      let batch: { transactionHash: Hex; batchNumber: bigint } | null = null;
      for (const event of events) {
        if (event.kind === "locked") await insertLock(transaction, event);
        else if (event.kind === "batch-committed") {
          const isOurs = event.header.laneId === laneId;
          batch = isOurs
            ? { transactionHash: event.transactionHash, batchNumber: event.header.batchNumber }
            : null;
          if (isOurs) await insertCommitted(transaction, event);
        } else if (batch !== null && batch.transactionHash === event.transactionHash)
          await insertOutcome(transaction, batch.batchNumber, event);
      }
      await transaction.query("UPDATE chain_cursor SET next_block = greatest(next_block, $1)", [nextBlock]);
    });
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

  /** The newest proposals this replica signed for a batch, by view; what they hold is read apart, for it is large. */
  async proposals(batchNumber: bigint): Promise<StoredProposal[]> {
    const { rows } = await this.#pool.query<ProposalRow>(
      "SELECT * FROM proposals WHERE batch_number = $1 ORDER BY view DESC LIMIT $2",
      [batchNumber, KEPT_CONTENTS],
    );
    return rows.map(toProposal);
  }

  /** The newest proposal of this very batch that this replica signed, or null. */
  async proposal(batchNumber: bigint, batchHash: Hex): Promise<StoredProposal | null> {
    const { rows } = await this.#pool.query<ProposalRow>(
      "SELECT * FROM proposals WHERE batch_number = $1 AND batch_hash = $2 ORDER BY view DESC LIMIT 1",
      [batchNumber, batchHash],
    );
    return rows[0] === undefined ? null : toProposal(rows[0]);
  }

  /** What a proposed batch holds; null when it was not signed here, or so long ago that it is no longer kept. */
  async contentOf(batchNumber: bigint, batchHash: Hex): Promise<BatchContent | null> {
    const { rows } = await this.#pool.query<{ content: unknown }>(
      "SELECT content FROM proposal_contents WHERE batch_number = $1 AND batch_hash = $2",
      [batchNumber, batchHash],
    );
    return rows[0] === undefined ? null : Wire.parse(contentSchema, rows[0].content);
  }

  /**
   * Stores a proposal this replica is about to sign and returns the hash that holds: its own, or that of an earlier one
   * of the same batch number and view, which forbids to sign another.
   * @param content null when the same batch was signed in an earlier view, and its content is kept already.
   */
  async saveProposal(
    { header, sources, view, batchHash, partialSignature }: NewProposal,
    content: BatchContent | null,
  ): Promise<Hex> {
    const number = header.batchNumber;
    return withTransaction(this.#pool, async (transaction) => {
      const { rows } = await transaction.query<{ batch_hash: Hex }>(INSERT_PROPOSAL, [
        number,
        view,
        batchHash,
        JSON.stringify(BatchHeader.toJson(header)),
        JSON.stringify(Sources.toJson(sources)),
        partialSignature,
      ]);
      const held = rows[0]?.batch_hash ?? batchHash;
      if (held !== batchHash) return held;
      if (content !== null)
        await transaction.query(
          "INSERT INTO proposal_contents VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
          [number, batchHash, view, JSON.stringify(contentToJson(content))],
        );
      await transaction.query(
        "UPDATE proposal_contents SET view = $3 WHERE batch_number = $1 AND batch_hash = $2",
        [number, batchHash, view],
      );
      await transaction.query(DROP_OLD_CONTENTS, [number, KEPT_CONTENTS]);
      return held;
    });
  }

  async saveSignature(batchHash: Hex, signature: Hex, partials: readonly Partial[]): Promise<void> {
    await this.#pool.query("UPDATE proposals SET group_signature = $2, partials = $3 WHERE batch_hash = $1", [
      batchHash,
      signature,
      JSON.stringify(partials),
    ]);
  }

  async saveTransaction(batchHash: Hex, transactionHash: Hex): Promise<void> {
    await this.#pool.query("UPDATE proposals SET transaction_hash = $2 WHERE batch_hash = $1", [
      batchHash,
      transactionHash,
    ]);
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
      await transaction.query(INSERT_RECEIPTS, receiptColumns(number, content));
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
        await transaction.query(
          "UPDATE events SET batch_number = $4 WHERE gateway = $1 AND seq > $2 AND seq <= $3",
          [range.gateway, range.fromSeq, range.toSeq, number],
        );
      }
      await transaction.query(REFUSE_EVENTS, [
        content.refused.map(({ gateway }) => gateway),
        content.refused.map(({ seq }) => seq),
        content.refused.map(({ code }) => code),
        content.refused.map(({ reason }) => reason),
      ]);
      await transaction.query(LEAVE_OUT, [number]);
      await transaction.query(
        `INSERT INTO deliveries (batch_number, gateway, next_attempt_at_ms)
         SELECT DISTINCT batch_number, gateway, $2::bigint FROM receipts WHERE batch_number = $1`,
        [number, deliverAtMs],
      );
      await transaction.query("DELETE FROM proposals WHERE batch_number < $1 - 100", [number]);
      await transaction.query("DELETE FROM proposal_contents WHERE batch_number <= $1", [number]);
    });
  }

  async knownReceipts(receiptIds: readonly Hex[], proofHashes: readonly Hex[]) {
    const { rows } = await this.#pool.query<{ receipt_id: Hex; proof_hash: Hex }>(
      "SELECT receipt_id, proof_hash FROM receipts WHERE receipt_id = ANY($1) OR proof_hash = ANY($2)",
      [receiptIds, proofHashes],
    );
    return {
      receiptIds: new Set(rows.map((row) => row.receipt_id)),
      proofHashes: new Set(rows.map((row) => row.proof_hash)),
    };
  }

  /** Sum of each job's receipts in applied batches. */
  async settledNano(jobIds: readonly Hex[]): Promise<Map<Hex, bigint>> {
    const { rows } = await this.#pool.query<{ job_id: Hex; sum: string }>(
      "SELECT job_id, sum(cost_nano)::text AS sum FROM receipts WHERE job_id = ANY($1) GROUP BY job_id",
      [jobIds],
    );
    return new Map(rows.map((row) => [row.job_id, BigInt(row.sum)]));
  }

  async batch(batchNumber: bigint): Promise<BatchBody | null> {
    const { rows } = await this.#pool.query<CommittedRow>(
      "SELECT * FROM committed_batches WHERE batch_number = $1 AND applied",
      [batchNumber],
    );
    const [row] = rows;
    if (row === undefined) return null;
    const receipts = await this.#pool.query(
      `SELECT receipt, receipt_signature AS "receiptSignature" FROM receipts
        WHERE batch_number = $1 ORDER BY leaf_index`,
      [batchNumber],
    );
    return {
      ...toCommitted(row),
      lines: Wire.parse(z.array(Line.schema), row.lines),
      sources: Wire.parse(Sources.schema, row.sources),
      receipts: Wire.parse(z.array(signedReceiptSchema), receipts.rows),
      partials: Wire.parse(z.array(partialSchema), row.partials),
      signature: row.signature,
    };
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

type CommittedRow = {
  batch_number: bigint;
  batch_hash: Hex;
  header: unknown;
  transaction_hash: Hex;
  block_number: bigint;
  sources: unknown;
  lines: unknown;
  signature: Hex | null;
  partials: unknown;
};

type ProposalRow = {
  view: bigint;
  batch_hash: Hex;
  header: unknown;
  sources: unknown;
  partial_signature: Hex;
  group_signature: Hex | null;
  partials: unknown;
  transaction_hash: Hex | null;
};

const toCommitted = (row: CommittedRow): Committed => ({
  batchHash: row.batch_hash,
  header: Wire.parse(BatchHeader.schema, row.header),
  transactionHash: row.transaction_hash,
  blockNumber: row.block_number,
});

const toProposal = (row: ProposalRow): StoredProposal => ({
  view: row.view,
  batchHash: row.batch_hash,
  header: Wire.parse(BatchHeader.schema, row.header),
  sources: Wire.parse(Sources.schema, row.sources),
  partialSignature: row.partial_signature,
  groupSignature: row.group_signature,
  partials: Wire.parse(z.array(partialSchema), row.partials),
  transactionHash: row.transaction_hash,
});

const insertLock = (transaction: Transaction, event: ChainEvent & { kind: "locked" }) =>
  transaction.query("INSERT INTO locks VALUES ($1, $2, $3) ON CONFLICT DO NOTHING", [
    event.jobId,
    event.capabilityHash,
    event.blockNumber,
  ]);

const insertCommitted = (transaction: Transaction, event: ChainEvent & { kind: "batch-committed" }) =>
  transaction.query(
    `INSERT INTO committed_batches (batch_number, batch_hash, header, transaction_hash, block_number)
     VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING`,
    [
      event.header.batchNumber,
      event.batchHash,
      JSON.stringify(BatchHeader.toJson(event.header)),
      event.transactionHash,
      event.blockNumber,
    ],
  );

const insertOutcome = (
  transaction: Transaction,
  batchNumber: bigint,
  event: ChainEvent & { kind: "line-settled" },
) =>
  transaction.query("INSERT INTO line_outcomes VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING", [
    batchNumber,
    event.jobId,
    event.providerId,
    event.outcome.toString(),
  ]);

// A batch signed again in a later view keeps what is known of its group signature.
const INSERT_PROPOSAL = `
  INSERT INTO proposals (batch_number, view, batch_hash, header, sources, partial_signature,
                         group_signature, partials, transaction_hash)
  SELECT $1, $2, $3, $4, $5, $6, earlier.group_signature, coalesce(earlier.partials, '[]'), earlier.transaction_hash
    FROM (SELECT) AS one
    LEFT JOIN LATERAL (
      SELECT group_signature, partials, transaction_hash FROM proposals
       WHERE batch_number = $1 AND batch_hash = $3 ORDER BY view DESC LIMIT 1
    ) AS earlier ON true
  ON CONFLICT (batch_number, view) DO UPDATE SET view = excluded.view
  RETURNING batch_hash`;

const DROP_OLD_CONTENTS = `
  DELETE FROM proposal_contents WHERE batch_number = $1 AND batch_hash NOT IN (
    SELECT batch_hash FROM proposal_contents WHERE batch_number = $1 ORDER BY view DESC LIMIT $2)`;

const INSERT_RECEIPTS = `
  INSERT INTO receipts (batch_number, leaf_index, receipt_id, gateway, job_id, proof_hash, cost_nano, receipt, receipt_signature)
  SELECT $1::bigint, leaf.* FROM unnest($2::integer[], $3::text[], $4::text[], $5::text[], $6::text[], $7::numeric[],
                                        $8::jsonb[], $9::text[]) AS leaf`;

const REFUSE_EVENTS = `
  UPDATE events e SET code = coalesce(e.code, r.code), reason = coalesce(e.reason, r.reason)
  FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[]) AS r(gateway, seq, code, reason)
  WHERE e.gateway = r.gateway AND e.seq = r.seq`;

// Content fetched from a peer brings no refusals, so what the batch does not hold is marked as left out.
const LEAVE_OUT = `
  UPDATE events e SET code = 'left_out', reason = 'The batch that covers the event left it out.'
  WHERE e.batch_number = $1 AND e.kind = 'usage' AND e.code IS NULL
    AND NOT EXISTS (SELECT FROM receipts r WHERE r.receipt_id = e.body->'receipt'->>'receiptId' AND r.batch_number = $1)`;

const receiptColumns = (batchNumber: bigint, { receipts }: BatchContent): unknown[] => [
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
