import { type Pool, withTransaction } from "@tac/kit";
import { Wire } from "@tac/protocol";
import type { Hex } from "viem";
import { z } from "zod";
import { type Draft, draftSchema, type Vote, voteSchema } from "../protocol/Certificate.ts";
import { type Position, positionKey } from "../protocol/Position.ts";
import type { Guilt, VoteRecord } from "../protocol/State.ts";
import { type BatchContent, contentSchema, contentToJson } from "./content.ts";
import { draftToJson, voteRecordSchema, voteRecordToJson, voteToJson } from "./voteJson.ts";

/** How many recomputed batches of one number are kept with what they hold. */
const KEPT_DRAFTS = 16;
/** Votes are kept for as many batches as no reorganisation takes back. */
const KEPT_BATCHES = 10_000;
const MAX_DECISIONS = 500;

export type Decision = {
  batchHash: Hex;
  view: bigint;
  proposer: number;
  outcome: "built" | "recomputed" | "refused";
  reasons: string[];
};

export type Misdeed = { replica: number; guilt: Guilt; batchNumber: bigint; times: number; evidence: Vote[] };

/** What this replica voted for and why; the part of its memory that a crash must not take. */
export class VoteStore {
  readonly #pool: Pool;

  constructor(pool: Pool) {
    this.#pool = pool;
  }

  /** Stores a record; durable when the promise resolves. */
  async save(record: VoteRecord): Promise<void> {
    await this.#pool.query(
      `INSERT INTO votes VALUES ($1, $2, $3) ON CONFLICT (position) DO UPDATE SET record = excluded.record`,
      [
        positionKey(record.position),
        record.position.nextBatchNumber,
        JSON.stringify(voteRecordToJson(record)),
      ],
    );
  }

  async record(position: Position): Promise<VoteRecord | null> {
    const { rows } = await this.#pool.query<{ record: unknown }>(
      "SELECT record FROM votes WHERE position = $1",
      [positionKey(position)],
    );
    return rows[0] === undefined ? null : Wire.parse(voteRecordSchema, rows[0].record);
  }

  /** The records of all positions of a batch number; more than one only after a rotation or a reorganisation. */
  async records(batchNumber: bigint): Promise<VoteRecord[]> {
    const { rows } = await this.#pool.query<{ record: unknown }>(
      "SELECT record FROM votes WHERE batch_number = $1",
      [batchNumber],
    );
    return rows.map(({ record }) => Wire.parse(voteRecordSchema, record));
  }

  /** Keeps a batch this replica built or recomputed, and that it did. */
  async saveDraft(draft: Draft, content: BatchContent, decision: Omit<Decision, "reasons">): Promise<void> {
    const { batchNumber } = draft.header;
    await withTransaction(this.#pool, async (transaction) => {
      await transaction.query(
        "INSERT INTO drafts (batch_number, batch_hash, draft, content) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
        [
          batchNumber,
          decision.batchHash,
          JSON.stringify(draftToJson(draft)),
          JSON.stringify(contentToJson(content)),
        ],
      );
      await transaction.query(
        `DELETE FROM drafts WHERE batch_number = $1 AND batch_hash NOT IN (
           SELECT batch_hash FROM drafts WHERE batch_number = $1 ORDER BY made_at DESC LIMIT $2)`,
        [batchNumber, KEPT_DRAFTS],
      );
      await transaction.query(INSERT_DECISION, decisionColumns(batchNumber, { ...decision, reasons: [] }));
    });
  }

  /** A batch this replica built or recomputed; null when it did not, or when it is long applied. */
  async draft(batchNumber: bigint, batchHash: Hex): Promise<{ draft: Draft; content: BatchContent } | null> {
    const { rows } = await this.#pool.query<{ draft: unknown; content: unknown }>(
      "SELECT draft, content FROM drafts WHERE batch_number = $1 AND batch_hash = $2",
      [batchNumber, batchHash],
    );
    const [row] = rows;
    if (row === undefined) return null;
    return { draft: Wire.parse(draftSchema, row.draft), content: Wire.parse(contentSchema, row.content) };
  }

  async saveDecision(batchNumber: bigint, decision: Decision): Promise<void> {
    await this.#pool.query(INSERT_DECISION, decisionColumns(batchNumber, decision));
  }

  /** Why each proposal of a batch was prepared or refused, in the order of views. */
  async decisions(batchNumber: bigint): Promise<(Decision & { decidedAt: Date })[]> {
    const { rows } = await this.#pool.query<{
      batch_hash: Hex;
      view: bigint;
      proposer: number;
      outcome: Decision["outcome"];
      reasons: unknown;
      decided_at: Date;
    }>("SELECT * FROM decisions WHERE batch_number = $1 ORDER BY view LIMIT $2", [
      batchNumber,
      MAX_DECISIONS,
    ]);
    return rows.map((row) => ({
      batchHash: row.batch_hash,
      view: row.view,
      proposer: row.proposer,
      outcome: row.outcome,
      reasons: Wire.parse(z.array(z.string()), row.reasons),
      decidedAt: row.decided_at,
    }));
  }

  async saveMisdeed({ replica, guilt, batchNumber, evidence }: Omit<Misdeed, "times">): Promise<void> {
    await this.#pool.query(
      `INSERT INTO misdeeds (replica, guilt, batch_number, evidence) VALUES ($1, $2, $3, $4)
       ON CONFLICT (replica, guilt, batch_number) DO UPDATE SET times = misdeeds.times + 1, last_seen_at = now()`,
      [replica, guilt, batchNumber, JSON.stringify(evidence.map(voteToJson))],
    );
  }

  /** What other replicas did wrong, newest first. */
  async misdeeds(limit: number): Promise<Misdeed[]> {
    const { rows } = await this.#pool.query<{
      replica: number;
      guilt: Guilt;
      batch_number: bigint;
      times: number;
      evidence: unknown;
    }>("SELECT * FROM misdeeds ORDER BY last_seen_at DESC LIMIT $1", [limit]);
    return rows.map(({ replica, guilt, batch_number: batchNumber, times, evidence }) => ({
      replica,
      guilt,
      batchNumber,
      times,
      evidence: Wire.parse(z.array(voteSchema), evidence),
    }));
  }

  /** Drops what is too old to come back. */
  async prune(lastApplied: bigint): Promise<void> {
    await this.#pool.query("DELETE FROM drafts WHERE batch_number <= $1", [lastApplied]);
    await this.#pool.query("DELETE FROM votes WHERE batch_number < $1", [lastApplied - BigInt(KEPT_BATCHES)]);
    await this.#pool.query("DELETE FROM decisions WHERE batch_number < $1", [
      lastApplied - BigInt(KEPT_BATCHES),
    ]);
  }
}

// A proposal that was refused and came again may be found right the second time, never the other way round.
const INSERT_DECISION = `
  INSERT INTO decisions (batch_number, batch_hash, view, proposer, outcome, reasons) VALUES ($1, $2, $3, $4, $5, $6)
  ON CONFLICT (batch_number, batch_hash, view) DO UPDATE
    SET outcome = excluded.outcome, reasons = excluded.reasons, decided_at = now()
    WHERE decisions.outcome = 'refused'`;

const decisionColumns = (
  batchNumber: bigint,
  { batchHash, view, proposer, outcome, reasons }: Decision,
): unknown[] => [batchNumber, batchHash, view, proposer, outcome, JSON.stringify(reasons)];
