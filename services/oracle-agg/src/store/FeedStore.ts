import { bigintArray, type Pool, textArray, withTransaction } from "@tac/kit";
import { Capability, FeedEvent, Quote, Tariff, UsageReceipt, Wire } from "@tac/protocol";
import QuickLRU from "quick-lru";
import type { Address, Hex } from "viem";
import { z } from "zod";
import type { Examined } from "../feed/examine.ts";
import { type Job, jobKey } from "../rules/Job.ts";
import type { Candidate } from "../rules/settle.ts";
import type { RejectionCode } from "../rules/Verdict.ts";

const KEPT_JOBS = 4096;

export type FeedCursor = { gateway: Address; seq: bigint; hash: Hex };

export type FeedState = {
  pulled: FeedCursor;
  committed: FeedCursor;
  headSeq: bigint;
  /** Why the feed is pulled no further; null while it is sound. */
  stoppedReason: string | null;
};

export type Rejection = { gateway: Address; seq: bigint; code: RejectionCode; reason: string };

type FeedRow = {
  gateway: Address;
  pulled_seq: bigint;
  pulled_hash: Hex;
  committed_seq: bigint;
  committed_hash: Hex;
  head_seq: bigint;
  stopped_reason: string | null;
};

type EventRow = {
  seq: bigint;
  hash: Hex;
  recorded_at_ms: bigint;
  job_id: Hex;
  code: RejectionCode | null;
  reason: string | null;
} & (
  | { kind: "job-opened" | "job-closed" }
  | {
      kind: "usage";
      receipt_id: Hex;
      proof_hash: Hex;
      tariff_hash: Hex;
      provider_id: bigint;
      cost_nano: string;
      occurred_at_ms: string;
      countersigned: boolean;
      leaf: Hex | null;
      /** Only where an accepted receipt has no leaf. */
      text: string | null;
      report_signer: Address | null;
    }
);

/** A page as it was judged, with the text of each event. */
export type JudgedPage = { examined: readonly Examined[]; texts: readonly string[] };

/** What this replica pulled and validated. Events are written once and never altered but for their outcome. */
export class FeedStore {
  readonly #pool: Pool;
  /** Jobs read before, by `jobKey`; what opened a job never changes. */
  readonly #jobs = new QuickLRU<string, Job>({ maxSize: KEPT_JOBS });

  constructor(pool: Pool) {
    this.#pool = pool;
  }

  async ensureFeed(gateway: Address): Promise<void> {
    await this.#pool.query(
      `INSERT INTO feeds (gateway, pulled_hash, committed_hash) VALUES ($1, $2, $2) ON CONFLICT DO NOTHING`,
      [gateway, FeedEvent.FIRST_PREVIOUS_HASH],
    );
  }

  async feeds(): Promise<FeedState[]> {
    const { rows } = await this.#pool.query<FeedRow>("SELECT * FROM feeds ORDER BY gateway");
    return rows.map((row) => ({
      pulled: { gateway: row.gateway, seq: row.pulled_seq, hash: row.pulled_hash },
      committed: { gateway: row.gateway, seq: row.committed_seq, hash: row.committed_hash },
      headSeq: row.head_seq,
      stoppedReason: row.stopped_reason,
    }));
  }

  async stopFeed(gateway: Address, reason: string): Promise<void> {
    await this.#pool.query("UPDATE feeds SET stopped_reason = $2 WHERE gateway = $1", [gateway, reason]);
  }

  /** Lets a stopped feed be pulled again; returns why it was stopped, or null when it was not. */
  async resumeFeed(gateway: Address): Promise<string | null> {
    const { rows } = await this.#pool.query<{ stopped_reason: string }>(
      `UPDATE feeds SET stopped_reason = NULL FROM (SELECT gateway, stopped_reason FROM feeds) AS before
        WHERE feeds.gateway = $1 AND before.gateway = $1 AND feeds.stopped_reason IS NOT NULL
        RETURNING before.stopped_reason`,
      [gateway],
    );
    return rows[0]?.stopped_reason ?? null;
  }

  /** Appends validated events and moves the cursor, in one transaction; nothing when another writer was faster. */
  async append(cursor: FeedCursor, { examined, texts }: JudgedPage, headSeq: bigint): Promise<boolean> {
    const last = examined.at(-1);
    return withTransaction(this.#pool, async (transaction) => {
      const moved = await transaction.query(
        `UPDATE feeds SET pulled_seq = $3, pulled_hash = $4, head_seq = greatest(head_seq, $5)
          WHERE gateway = $1 AND pulled_seq = $2`,
        [cursor.gateway, cursor.seq, last?.seq ?? cursor.seq, last?.hash ?? cursor.hash, headSeq],
      );
      if (moved.rowCount === 0) return false;
      const opened = examined.flatMap(({ verdict }) => verdict.opened ?? []);
      for (const job of opened)
        await transaction.query(
          `INSERT INTO jobs (gateway, job_id, opened_seq, capability_hash, is_eoa_signed, opening)
           VALUES ($1, $2, $3, $4, $5, $6)`,
          [job.gateway, job.jobId, job.openedSeq, job.capabilityHash, job.isEoaSigned, openingToJson(job)],
        );
      if (examined.length === 0) return true;
      const seqs = bigintArray(examined.map(({ seq }) => seq));
      await transaction.query(INSERT_EVENTS, [cursor.gateway, seqs, ...eventColumns(examined)]);
      await transaction.query(INSERT_TEXTS, [cursor.gateway, seqs, textArray(texts)]);
      await transaction.query(COVER_LATE_EVENTS, [cursor.gateway, cursor.seq]);
      return true;
    });
  }

  /** The job of each id that this gateway's feed opened. */
  async jobsOf(gateway: Address, jobIds: readonly Hex[]): Promise<Map<Hex, Job>> {
    const found = new Map<Hex, Job>();
    for (const jobId of jobIds) {
      const job = this.#jobs.get(jobKey(gateway, jobId));
      if (job !== undefined) found.set(jobId, job);
    }
    const unknown = jobIds.filter((jobId) => !found.has(jobId));
    if (unknown.length === 0) return found;
    const { rows } = await this.#pool.query<{
      job_id: Hex;
      opened_seq: bigint;
      capability_hash: Hex;
      is_eoa_signed: boolean;
      opening: Record<string, unknown>;
    }>("SELECT * FROM jobs WHERE gateway = $1 AND job_id = ANY($2)", [gateway, unknown]);
    for (const row of rows) {
      const job = {
        gateway,
        jobId: row.job_id,
        openedSeq: row.opened_seq,
        capabilityHash: row.capability_hash,
        isEoaSigned: row.is_eoa_signed,
        capability: Wire.parse(Capability.schema, row.opening.capability),
        capabilitySignature: Wire.parse(Wire.accountSignature, row.opening.capabilitySignature),
        signedQuote: Wire.parse(Quote.signedSchema, row.opening.signedQuote),
      };
      found.set(job.jobId, job);
      this.#jobs.set(jobKey(gateway, job.jobId), job);
    }
    return found;
  }

  /** Events after `fromSeq` up to `toSeq`, ascending, at most `limit`. */
  async candidates(gateway: Address, fromSeq: bigint, toSeq: bigint, limit: number): Promise<Candidate[]> {
    const { rows } = await this.#pool.query<EventRow>(
      `SELECT seq, hash, recorded_at_ms, kind, job_id, code, reason, receipt_id, proof_hash, tariff_hash, provider_id,
              cost_nano, occurred_at_ms, countersigned, report_signer, leaf,
              CASE WHEN leaf IS NULL AND code IS NULL AND kind = 'usage' THEN
                (SELECT t.text FROM event_texts t WHERE t.gateway = e.gateway AND t.seq = e.seq) END AS text
         FROM events e WHERE gateway = $1 AND seq > $2 AND seq <= $3 ORDER BY seq LIMIT $4`,
      [gateway, fromSeq, toSeq, limit],
    );
    return rows.map((row) => toCandidate(gateway, row));
  }

  /** When the first event of a feed was recorded that may be settled and that no batch covers; null when there is none. */
  async oldestPendingMs(): Promise<bigint | null> {
    const { rows } = await this.#pool.query<{ oldest: bigint | null }>(
      `SELECT min(first.recorded_at_ms) AS oldest FROM feeds f, LATERAL (
         SELECT e.recorded_at_ms FROM events e WHERE e.gateway = f.gateway AND e.seq > f.committed_seq AND ${IS_PENDING}
          ORDER BY e.seq LIMIT 1) AS first`,
    );
    return rows[0]?.oldest ?? null;
  }

  async pendingCount(): Promise<number> {
    const { rows } = await this.#pool.query<{ pending: bigint }>(
      `SELECT count(*) AS pending FROM feeds f
         JOIN events e ON e.gateway = f.gateway AND e.seq > f.committed_seq AND ${IS_PENDING}`,
    );
    return Number(rows[0]?.pending ?? 0n);
  }

  /** Refused events, newest first. */
  async rejections(limit: number): Promise<Rejection[]> {
    const { rows } = await this.#pool.query<Rejection>(
      "SELECT gateway, seq, code, reason FROM events WHERE code IS NOT NULL ORDER BY recorded_at_ms DESC LIMIT $1",
      [limit],
    );
    return rows;
  }

  /** Every event a batch covers, with the receipt it settled or the reason why it did not settle. */
  async eventsOfBatch(batchNumber: bigint) {
    const { rows } = await this.#pool.query<{
      gateway: Address;
      seq: string;
      kind: Candidate["kind"];
      receiptId: Hex | null;
      accepted: boolean;
      code: RejectionCode | null;
      reason: string | null;
    }>(
      `SELECT e.gateway, e.seq::text, kind, receipt_id AS "receiptId", code IS NULL AS accepted, code, reason
         FROM batch_ranges r JOIN events e ON e.gateway = r.gateway AND e.seq > r.from_seq AND e.seq <= r.to_seq
        WHERE r.batch_number = $1 ORDER BY e.gateway, e.seq`,
      [batchNumber],
    );
    return rows;
  }

  async tariff(tariffHash: Hex): Promise<Tariff.Tariff | null> {
    const { rows } = await this.#pool.query<{ document: unknown }>(
      "SELECT document FROM tariffs WHERE tariff_hash = $1",
      [tariffHash],
    );
    return rows[0] === undefined ? null : Wire.parse(Tariff.schema, rows[0].document);
  }

  async saveTariff(tariffHash: Hex, tariff: Tariff.Tariff): Promise<void> {
    await this.#pool.query("INSERT INTO tariffs VALUES ($1, $2) ON CONFLICT DO NOTHING", [
      tariffHash,
      JSON.stringify(Tariff.toJson(tariff)),
    ]);
  }
}

const IS_PENDING = "e.code IS NULL AND e.kind <> 'job-opened'";

const INSERT_EVENTS = `
  INSERT INTO events (gateway, seq, hash, recorded_at_ms, kind, job_id, receipt_id, proof_hash, tariff_hash, provider_id,
                      cost_nano, occurred_at_ms, countersigned, leaf, report_signer, code, reason)
  SELECT $1, seq, hash, recorded_at_ms, kind, job_id, receipt_id, proof_hash, tariff_hash, provider_id,
         cost_nano::numeric, occurred_at_ms::numeric, countersigned::boolean, leaf, report_signer, code, reason
    FROM unnest($2::bigint[], $3::text[], $4::bigint[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[],
                $10::bigint[], $11::text[], $12::text[], $13::text[], $14::text[], $15::text[], $16::text[], $17::text[])
      AS e(seq, hash, recorded_at_ms, kind, job_id, receipt_id, proof_hash, tariff_hash, provider_id, cost_nano,
           occurred_at_ms, countersigned, leaf, report_signer, code, reason)`;

const INSERT_TEXTS = `
  INSERT INTO event_texts (gateway, seq, text) SELECT $1, seq, text FROM unnest($2::bigint[], $3::text[]) AS e(seq, text)`;

// A batch may be committed before this replica pulled its events; what it does not hold it left out.
const COVER_LATE_EVENTS = `
  UPDATE events e SET refused_by_batch = true, code = 'left_out', reason = 'The batch that covers the event left it out.'
    FROM batch_ranges b
   WHERE e.gateway = $1 AND e.seq > $2 AND e.kind = 'usage' AND e.code IS NULL
     AND b.gateway = $1 AND b.to_seq > $2 AND e.seq > b.from_seq AND e.seq <= b.to_seq
     AND NOT EXISTS (SELECT FROM receipts r WHERE r.receipt_id = e.receipt_id AND r.batch_number = b.batch_number)`;

const openingToJson = (job: Job): string =>
  JSON.stringify({
    capability: Capability.toJson(job.capability),
    capabilitySignature: job.capabilitySignature,
    signedQuote: Quote.signedToJson(job.signedQuote),
  });

const eventColumns = (events: readonly Examined[]): Buffer[] => [
  textArray(events.map(({ hash }) => hash)),
  bigintArray(events.map(({ recordedAtMs }) => recordedAtMs)),
  textArray(events.map(({ kind }) => kind)),
  textArray(events.map(({ jobId }) => jobId)),
  textArray(events.map(({ receipt }) => receipt?.receiptId ?? null)),
  textArray(events.map(({ receipt }) => receipt?.proofHash ?? null)),
  textArray(events.map(({ receipt }) => receipt?.tariffHash ?? null)),
  bigintArray(events.map(({ receipt }) => receipt?.providerId ?? null)),
  textArray(events.map(({ receipt }) => receipt?.costNano.toString() ?? null)),
  textArray(events.map(({ receipt }) => receipt?.occurredAtMs.toString() ?? null)),
  textArray(events.map(({ receipt }) => receipt?.countersigned.toString() ?? null)),
  textArray(events.map(({ verdict }) => (verdict.ok ? verdict.leaf : null))),
  textArray(events.map(({ verdict }) => (verdict.ok ? verdict.reportSigner : null))),
  textArray(events.map(({ verdict }) => (verdict.ok ? null : verdict.code))),
  textArray(events.map(({ verdict }) => (verdict.ok ? null : verdict.reason))),
];

const toCandidate = (gateway: Address, row: EventRow): Candidate => {
  const shared = {
    gateway,
    seq: row.seq,
    hash: row.hash,
    recordedAtMs: row.recorded_at_ms,
    jobId: row.job_id,
    refusal: row.code === null ? null : { code: row.code, reason: row.reason ?? "" },
  };
  if (row.kind !== "usage") return { ...shared, kind: row.kind };
  return {
    ...shared,
    kind: "usage",
    receipt: {
      receiptId: row.receipt_id,
      jobId: row.job_id,
      proofHash: row.proof_hash,
      tariffHash: row.tariff_hash,
      providerId: Number(row.provider_id),
      costNano: BigInt(row.cost_nano),
      occurredAtMs: BigInt(row.occurred_at_ms),
      countersigned: row.countersigned,
      // A refused receipt is in no batch and has no leaf.
      leaf: row.leaf ?? (row.text === null ? "0x" : leafOf(row.text)),
    },
    reportSigner: row.report_signer,
  };
};

const textSchema = z.object({ body: z.object({ receipt: UsageReceipt.schema }) });

const leafOf = (text: string): Hex =>
  UsageReceipt.leaf(Wire.parse(textSchema, JSON.parse(text)).body.receipt);
