import { type Pool, type Transaction, withTransaction } from "@tac/kit";
import { Revocation, type RevocationList } from "@tac/protocol";
import type { Address, Hex } from "viem";
import { bytesOf, hexOf } from "../ledger/bytes.ts";
import type { NowMs } from "../StoreClock.ts";

export type Origin = "chain" | "tenant" | "holder";

/** What is still to be done about a revoked job: see `revocation_tasks`. */
export type RevocationTask = {
  jobId: Hex;
  kind: "submit" | "apply" | "close";
  payload: unknown;
  attempts: number;
};

type Row = { seq: bigint; job_id: Buffer; revoked_at_ms: bigint; expires_at_ms: bigint };

const TASK_LEASE_MS = 60_000;
const LONGEST_WAIT_MS = 300_000;

/** Revocations in PostgreSQL: append-only, numbered in commit order. Each method gives the jobs it newly revoked. */
export class RevocationStore {
  readonly #pool: Pool;
  readonly #nowMs: NowMs;

  constructor(pool: Pool, nowMs: NowMs) {
    this.#pool = pool;
    this.#nowMs = nowMs;
  }

  /** The chain's word on one job, or on all of a tenant's that were valid by then. */
  async recordChain(tenant: Address, jobId: Hex | null, revokedAtMs: number): Promise<Hex[]> {
    if (jobId !== null) return revokeJobs(this.#pool, tenant, jobId, revokedAtMs, "chain");
    return withTransaction(this.#pool, async (transaction) => {
      await transaction.query(
        `INSERT INTO tenant_revocations VALUES ($1, $2, 'chain', NULL, NULL, $3) ON CONFLICT DO NOTHING`,
        [bytesOf(tenant), revokedAtMs, this.#nowMs()],
      );
      const jobIds = await revokeJobs(transaction, tenant, null, revokedAtMs, "chain");
      // The vault is not told of a revocation of all, so somebody has to write it into the locks that are open.
      await transaction.query(
        `INSERT INTO revocation_tasks (job_id, kind, payload, due_at_ms)
         SELECT job_id, 'apply', '{}', $3 FROM jobs
          WHERE tenant = $1 AND valid_after_ms <= $2 AND status <> 'settled' ON CONFLICT DO NOTHING`,
        [bytesOf(tenant), revokedAtMs, this.#nowMs()],
      );
      return jobIds;
    });
  }

  /** A tenant's signed revocation of one job; the chain gets it too. */
  async recordSigned(jobId: Hex, revocation: Revocation.Revocation, signature: Hex): Promise<Hex[]> {
    return withTransaction(this.#pool, async (transaction) => {
      await addTask(transaction, jobId, "submit", { ...Revocation.toJson(revocation), signature });
      return revokeJobs(transaction, revocation.tenant, jobId, this.#nowMs(), "tenant");
    });
  }

  /** A tenant's signed revocation of all, also of jobs that are stored later. */
  async recordSignedAll(
    { tenant, revokedAt, deadline }: Revocation.RevokeAll,
    signature: Hex,
  ): Promise<Hex[]> {
    const revokedAtMs = Number(revokedAt) * 1000;
    return withTransaction(this.#pool, async (transaction) => {
      await transaction.query(
        // An order that a later one covers would add a row and change nothing.
        `INSERT INTO tenant_revocations SELECT $1, $2, 'tenant', $3, $4, $5
          WHERE NOT EXISTS (SELECT FROM tenant_revocations WHERE tenant = $1 AND revoked_at_ms >= $2)
         ON CONFLICT DO NOTHING`,
        [bytesOf(tenant), revokedAtMs, signature, deadline, this.#nowMs()],
      );
      return revokeJobs(transaction, tenant, null, revokedAtMs, "tenant");
    });
  }

  /** A holder's word on its own job; `proof` and `usageAuth` end the job for the aggregators. */
  async recordHeld(
    tenant: Address,
    jobId: Hex,
    evidence: { proof: string; usageAuth: string },
  ): Promise<Hex[]> {
    return withTransaction(this.#pool, async (transaction) => {
      await addTask(transaction, jobId, "close", evidence);
      return revokeJobs(transaction, tenant, jobId, this.#nowMs(), "holder");
    });
  }

  /** To be asked once a new job is stored: its tenant may have revoked all a moment before. */
  async revokeLate(jobId: Hex): Promise<Hex[]> {
    const { rows } = await this.#pool.query<{ revoke_late_job: Buffer }>("SELECT revoke_late_job($1, $2)", [
      bytesOf(jobId),
      this.#nowMs(),
    ]);
    return rows.map((row) => hexOf(row.revoke_late_job));
  }

  /** Unix milliseconds since when a job is revoked; null while it is not. */
  async revokedAtMs(jobId: Hex): Promise<number | null> {
    const { rows } = await this.#pool.query<Row>("SELECT * FROM revocations WHERE job_id = $1", [
      bytesOf(jobId),
    ]);
    return rows[0] === undefined ? null : Number(rows[0].revoked_at_ms);
  }

  /** The number of the newest revocation, 0 before the first. */
  async headSeq(): Promise<bigint> {
    const { rows } = await this.#pool.query<{ seq: bigint }>({
      name: "revocations_head",
      text: "SELECT coalesce(max(seq), 0) AS seq FROM revocations",
    });
    return rows[0]?.seq ?? 0n;
  }

  /** What came after a number and has not expired, in order. */
  async after(seq: bigint, nowMs: number): Promise<RevocationList.Entry[]> {
    const { rows } = await this.#pool.query<Row>(
      "SELECT * FROM revocations WHERE seq > $1 AND expires_at_ms > $2 ORDER BY seq",
      [seq, nowMs],
    );
    return rows.map((row) => ({
      seq: row.seq,
      jobId: hexOf(row.job_id),
      revokedAtMs: row.revoked_at_ms,
      expiresAtMs: row.expires_at_ms,
    }));
  }

  /** Takes tasks that are due; unless ended they come again, each time later. No two replicas get the same. */
  async takeTasks(limit: number): Promise<RevocationTask[]> {
    const { rows } = await this.#pool.query<{
      job_id: Buffer;
      kind: RevocationTask["kind"];
      payload: unknown;
      attempts: number;
    }>({
      name: "take_revocation_tasks",
      text: `UPDATE revocation_tasks t
          SET attempts = t.attempts + 1,
              due_at_ms = $1 + $2::bigint + least($3::bigint, 1000 * (2 ^ least(t.attempts, 20))::bigint)
         FROM (SELECT job_id, kind FROM revocation_tasks WHERE done_at_ms IS NULL AND due_at_ms <= $1
                ORDER BY due_at_ms LIMIT $4 FOR UPDATE SKIP LOCKED) due
        WHERE t.job_id = due.job_id AND t.kind = due.kind
        RETURNING t.job_id, t.kind, t.payload, t.attempts`,
      values: [this.#nowMs(), TASK_LEASE_MS, LONGEST_WAIT_MS, limit],
    });
    return rows.map((row) => ({ ...row, jobId: hexOf(row.job_id) }));
  }

  /** Tasks that are still to be done, by whichever replica. */
  async openTaskCount(): Promise<number> {
    const { rows } = await this.#pool.query<{ count: bigint }>(
      "SELECT count(*) FROM revocation_tasks WHERE done_at_ms IS NULL",
    );
    return Number(rows[0]?.count ?? 0n);
  }

  async endTask({ jobId, kind }: RevocationTask, outcome: string): Promise<void> {
    await this.#pool.query(
      "UPDATE revocation_tasks SET done_at_ms = $3, outcome = $4 WHERE job_id = $1 AND kind = $2",
      [bytesOf(jobId), kind, this.#nowMs(), outcome],
    );
  }

  /** Makes a task due again soon, because nothing failed but its time has not come. */
  async postponeTask({ jobId, kind }: RevocationTask, delayMs: number): Promise<void> {
    await this.#pool.query("UPDATE revocation_tasks SET due_at_ms = $3 WHERE job_id = $1 AND kind = $2", [
      bytesOf(jobId),
      kind,
      this.#nowMs() + delayMs,
    ]);
  }
}

async function revokeJobs(
  connection: Pool | Transaction,
  tenant: Address,
  jobId: Hex | null,
  revokedAtMs: number,
  origin: Origin,
): Promise<Hex[]> {
  const { rows } = await connection.query<{ revoke_jobs: Buffer }>(
    "SELECT revoke_jobs($1, $2, $3, $4, store_now_ms())",
    [bytesOf(tenant), jobId === null ? null : bytesOf(jobId), revokedAtMs, origin],
  );
  return rows.map((row) => hexOf(row.revoke_jobs));
}

async function addTask(
  transaction: Transaction,
  jobId: Hex,
  kind: RevocationTask["kind"],
  payload: object,
): Promise<void> {
  await transaction.query(
    `INSERT INTO revocation_tasks (job_id, kind, payload, due_at_ms) VALUES ($1, $2, $3, store_now_ms())
     ON CONFLICT (job_id, kind) DO UPDATE
       SET payload = excluded.payload, done_at_ms = NULL, outcome = NULL, due_at_ms = excluded.due_at_ms
       WHERE revocation_tasks.outcome <> 'done'`,
    [bytesOf(jobId), kind, JSON.stringify(payload)],
  );
}
