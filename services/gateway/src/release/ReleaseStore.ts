import type { Pool } from "@tac/kit";
import type { Hex } from "viem";
import { bytesOf, hexOf } from "../ledger/bytes.ts";
import type { JobMoney } from "./releaseStep.ts";

export type ReleaseTask = JobMoney & { jobId: Hex; isSeenClosed: boolean };

const LEASE_MS = 60_000;
/** By then a revocation by API is on chain, where it decides from when its lock may be released. */
const REVOCATION_MS = 3_600_000;
const LONGEST_WAIT_MS = 3_600_000;

/** Asked once a statement; asked for each row anew, no index would serve. */
const NOW_MS = "(SELECT store_now_ms())";

/** Which locks are to be looked at, in PostgreSQL, by the store's clock. */
export class ReleaseStore {
  readonly #pool: Pool;

  constructor(pool: Pool) {
    this.#pool = pool;
  }

  /** Takes in jobs that have ended by expiry or revocation without being settled. */
  async enrol(limit: number): Promise<void> {
    for (const [end, delayMs] of [
      ["expires_at_ms", 0],
      ["revoked_at_ms", REVOCATION_MS],
    ] as const) {
      await this.#pool.query(
        `INSERT INTO lock_releases (job_id, due_at_ms)
         SELECT job_id, store_now_ms() FROM jobs j
          WHERE status <> 'settled' AND ${end} <= ${NOW_MS} - $2::bigint
            AND NOT EXISTS (SELECT FROM lock_releases r WHERE r.job_id = j.job_id)
          ORDER BY ${end} LIMIT $1
         ON CONFLICT DO NOTHING`,
        [limit, delayMs],
      );
    }
  }

  /** Takes what is due; unless it is put off or ended it comes again, each time later. No two replicas get the same. */
  async take(limit: number): Promise<ReleaseTask[]> {
    const { rows } = await this.#pool.query<{
      job_id: Buffer;
      held_nano: bigint;
      spent_nano: bigint;
      is_seen_closed: boolean;
    }>(
      `UPDATE lock_releases r
          SET attempts = r.attempts + 1,
              due_at_ms = store_now_ms() + $1::bigint
                        + least($2::bigint, 1000 * (2 ^ least(r.attempts, 20))::bigint)
         FROM (SELECT job_id FROM lock_releases WHERE done_at_ms IS NULL AND due_at_ms <= ${NOW_MS}
                ORDER BY due_at_ms LIMIT $3 FOR UPDATE SKIP LOCKED) due, jobs j
        WHERE r.job_id = due.job_id AND j.job_id = due.job_id
        RETURNING r.job_id, j.held_nano, j.spent_nano, r.closed_seen_at_ms IS NOT NULL AS is_seen_closed`,
      [LEASE_MS, LONGEST_WAIT_MS, limit],
    );
    return rows.map((row) => ({
      jobId: hexOf(row.job_id),
      heldNano: row.held_nano,
      spentNano: row.spent_nano,
      isSeenClosed: row.is_seen_closed,
    }));
  }

  /** Nothing failed, but there is nothing to do yet: looks again after so long. */
  async putOff(jobId: Hex, delayMs: number): Promise<void> {
    await this.#pool.query(
      `UPDATE lock_releases SET due_at_ms = store_now_ms() + $2::bigint, attempts = 0, closed_seen_at_ms = NULL
        WHERE job_id = $1`,
      [bytesOf(jobId), delayMs],
    );
  }

  /** The lock is closed; looks once more after so long. */
  async sawClosed(jobId: Hex, delayMs: number): Promise<void> {
    await this.#pool.query(
      `UPDATE lock_releases
          SET due_at_ms = store_now_ms() + $2::bigint, attempts = 0, closed_seen_at_ms = store_now_ms()
        WHERE job_id = $1`,
      [bytesOf(jobId), delayMs],
    );
  }

  async end(jobId: Hex): Promise<void> {
    await this.#pool.query("UPDATE lock_releases SET done_at_ms = store_now_ms() WHERE job_id = $1", [
      bytesOf(jobId),
    ]);
  }
}
