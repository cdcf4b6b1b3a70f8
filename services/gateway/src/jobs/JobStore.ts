import type { Pool, Transaction } from "@tac/kit";
import { Capability, HolderKey, Quote, Wire } from "@tac/protocol";
import type { Address, Hex } from "viem";
import { bytesOf, hexOf } from "../ledger/bytes.ts";
import type { Grant, JobOwner } from "./checkGrant.ts";
import type { Job, JobState } from "./Job.ts";
import type { TariffStore } from "./TariffStore.ts";

const CACHED_JOBS = 10_000;

export type LockProof = { transactionHash: Hex; blockNumber: bigint };

/** Jobs in PostgreSQL; what was signed for them is cached, what changes is not. */
export class JobStore {
  readonly #pool: Pool;
  readonly #tariffs: TariffStore;
  readonly #cache = new Map<Hex, Job>();

  constructor(pool: Pool, tariffs: TariffStore) {
    this.#pool = pool;
    this.#tariffs = tariffs;
  }

  async find(jobId: Hex): Promise<Job | null> {
    const cached = this.#cache.get(jobId);
    if (cached) return cached;
    const { rows } = await this.#pool.query<{
      capability: unknown;
      signed_quote: unknown;
      holder_jwk: unknown;
      capability_hash: Buffer;
    }>(
      `SELECT g.capability, g.signed_quote, g.holder_jwk, j.capability_hash
         FROM job_grants g JOIN jobs j USING (job_id) WHERE job_id = $1`,
      [bytesOf(jobId)],
    );
    const row = rows[0];
    if (row === undefined) return null;
    const signedQuote = Wire.parse(Quote.signedSchema, row.signed_quote, "internal");
    const job: Job = {
      jobId,
      capabilityHash: hexOf(row.capability_hash),
      capability: Wire.parse(Capability.schema, row.capability, "internal"),
      jwk: HolderKey.parse(row.holder_jwk, "internal"),
      signedQuote,
      tariffs: await this.#tariffs.ensure(signedQuote.tariffs),
    };
    const [oldest] = this.#cache.keys();
    if (this.#cache.size >= CACHED_JOBS && oldest !== undefined) this.#cache.delete(oldest);
    this.#cache.set(jobId, job);
    return job;
  }

  async state(jobId: Hex): Promise<JobState | null> {
    const { rows } = await this.#pool.query<{
      status: JobState["status"];
      revoked_at_ms: bigint | null;
      max_spend_nano: bigint;
      held_nano: bigint;
      spent_nano: bigint;
      receipt_count: bigint;
      expires_at_ms: bigint;
    }>("SELECT * FROM jobs WHERE job_id = $1", [bytesOf(jobId)]);
    const row = rows[0];
    if (row === undefined) return null;
    return {
      jobId,
      status: row.status,
      isRevoked: row.revoked_at_ms !== null,
      lockedNano: row.max_spend_nano,
      heldNano: row.held_nano,
      spentNano: row.spent_nano,
      receiptCount: Number(row.receipt_count),
      expiresAtMs: Number(row.expires_at_ms),
    };
  }

  async lockProof(jobId: Hex): Promise<LockProof | null> {
    const { rows } = await this.#pool.query<{ lock_transaction_hash: Buffer; lock_block_number: bigint }>(
      "SELECT lock_transaction_hash, lock_block_number FROM job_grants WHERE job_id = $1",
      [bytesOf(jobId)],
    );
    const row = rows[0];
    return row
      ? { transactionHash: hexOf(row.lock_transaction_hash), blockNumber: row.lock_block_number }
      : null;
  }

  /** Whether the tenant ever locked a job here. */
  async hasTenant(tenant: Address): Promise<boolean> {
    const { rowCount } = await this.#pool.query("SELECT FROM jobs WHERE tenant = $1 LIMIT 1", [
      bytesOf(tenant),
    ]);
    return rowCount === 1;
  }

  /** The team and the user that were stated when the job was locked. */
  async ownerOf(jobId: Hex): Promise<JobOwner> {
    const { rows } = await this.#pool.query<{ team: string | null; member: string | null }>(
      "SELECT team, member FROM jobs WHERE job_id = $1",
      [bytesOf(jobId)],
    );
    const { team = null, member: user = null } = rows[0] ?? {};
    return { ...(team === null ? {} : { team }), ...(user === null ? {} : { user }) };
  }

  /** A job's spent proofs besides those of calls; false when this proof was used before, on any replica. */
  async spendProof(jobId: Hex, jtiHash: Hex, memoryMs: number): Promise<boolean> {
    const { rowCount } = await this.#pool.query(
      "INSERT INTO used_proofs VALUES ($1, $2, store_now_ms() + $3::bigint) ON CONFLICT DO NOTHING",
      [bytesOf(jobId), bytesOf(jtiHash), memoryMs],
    );
    return rowCount === 1;
  }

  /** The chain gave back what was left of these locks, so nothing of the jobs can be paid any more; idempotent. */
  async markReleased(jobIds: readonly Hex[]): Promise<void> {
    await this.#pool.query(
      `UPDATE jobs SET status = 'settled', closed_at_ms = coalesce(closed_at_ms, store_now_ms())
        WHERE job_id = ANY($1) AND status <> 'settled'`,
      [jobIds.map(bytesOf)],
    );
  }
}

/** Inserts the job with its first ledger entry; false when it is there already. `lockedNano` is the chain's figure. */
export async function insertJob(
  transaction: Transaction,
  grant: Grant,
  capabilityHash: Hex,
  lockedNano: bigint,
  proof: LockProof,
): Promise<boolean> {
  const { capability, owner } = grant;
  const jobId = bytesOf(capability.jobId);
  const team = owner.team ?? null;
  const user = owner.user ?? null;
  await transaction.query("SELECT lock_budgets($1, true)", [bytesOf(capability.tenant)]);
  const { rowCount } = await transaction.query(
    `INSERT INTO jobs (job_id, tenant, capability_hash, valid_after_ms, expires_at_ms, max_spend_nano, team, member,
                       budget_ids)
     SELECT $1, $2, $3, $4, $5, $6, $7, $8, coalesce(array_agg(budget_id), '{}') FROM budgets
      WHERE tenant = $2 AND subject = CASE level WHEN 'team' THEN $7 WHEN 'user' THEN $8 ELSE '' END
     ON CONFLICT DO NOTHING`,
    [
      jobId,
      bytesOf(capability.tenant),
      bytesOf(capabilityHash),
      capability.validAfter * 1000n,
      capability.expiresAt * 1000n,
      lockedNano,
      team,
      user,
    ],
  );
  if (rowCount !== 1) return false;
  await transaction.query("INSERT INTO job_grants VALUES ($1, $2, $3, $4, $5, $6, $7, store_now_ms())", [
    jobId,
    JSON.stringify(Capability.toJson(capability)),
    grant.capabilitySignature,
    JSON.stringify(Quote.signedToJson(grant.signedQuote)),
    JSON.stringify(grant.jwk),
    bytesOf(proof.transactionHash),
    proof.blockNumber,
  ]);
  await transaction.query(
    "SELECT ledger_post(ARRAY[ROW($1, NULL, 'lock', 'lock', 'available', $2)::ledger_posting], store_now_ms())",
    [jobId, lockedNano],
  );
  return true;
}
