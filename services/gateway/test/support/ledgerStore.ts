import { join } from "node:path";
import { byteaArray, createPool, migrate, type Pool, textArray } from "@tac/kit";
import { startTestDatabase } from "@tac/kit/testing";
import type { FeedEvent } from "@tac/protocol";
import type { Address, Hex } from "viem";
import { chainEvents } from "../../src/feed/chainEvents.ts";
import { ensureHead, readHead } from "../../src/feed/feedStore.ts";
import { bytesOf } from "../../src/ledger/bytes.ts";
import { type Capture, toColumns as captureColumns } from "../../src/ledger/Capture.ts";
import { toColumns as holdColumns, type WantedHold } from "../../src/ledger/Hold.ts";

export const owner = "test";
export const proofMemoryMs = 60_000;
export const gateway: Address = `0x${"0a".repeat(20)}`;

/** A job's row as far as the ledger asks about it. */
export type LedgerJob = {
  jobId: Hex;
  tenant: Address;
  lockedNano: bigint;
  status?: "open" | "closed";
  validAfterMs?: number;
  expiresAtMs?: number;
  revokedAtMs?: number;
};

/** A database with the gateway's tables and an empty feed, and nothing else of a gateway. */
export async function startLedgerStore(): Promise<{ pool: Pool; stop: () => Promise<void> }> {
  const database = await startTestDatabase();
  const pool = createPool({ url: database.url, max: 20 });
  await migrate(pool, join(import.meta.dirname, "..", "..", "migrations"));
  await ensureHead(pool, gateway);
  const stop = async (): Promise<void> => {
    await pool.end();
    await database.stop();
  };
  return { pool, stop };
}

/** Stores a job with the ledger entry of its lock, and with its tenant's budget when there is one. */
export async function insertJob(pool: Pool, job: LedgerJob): Promise<void> {
  const {
    jobId,
    tenant,
    lockedNano,
    status = "open",
    validAfterMs = 0,
    expiresAtMs = 1e15,
    revokedAtMs,
  } = job;
  await pool.query(
    `INSERT INTO jobs (job_id, tenant, capability_hash, status, valid_after_ms, expires_at_ms, revoked_at_ms,
                       max_spend_nano, budget_ids)
     SELECT $1::bytea, $2, $1, $3, $4, $5, $6, $7, coalesce(array_agg(budget_id), '{}') FROM budgets WHERE tenant = $2`,
    [bytesOf(jobId), bytesOf(tenant), status, validAfterMs, expiresAtMs, revokedAtMs ?? null, lockedNano],
  );
  await pool.query(
    "SELECT ledger_post(ARRAY[ROW($1, NULL, 'lock', 'lock', 'available', $2)::ledger_posting], 1)",
    [bytesOf(jobId), lockedNano],
  );
}

/** Holds by the statement for many calls, whatever their number. */
export async function holdTogether(
  pool: Pool,
  holds: readonly WantedHold[],
  nowMs: number,
): Promise<string[]> {
  const { rows } = await pool.query<{ outcomes: string[] | null; holds_nano: bigint[] | null }>(
    "SELECT * FROM hold_calls($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)",
    [nowMs, owner, proofMemoryMs, ...holdColumns(holds)],
  );
  return holds.map(({ holdNano }, index) => {
    const outcome = rows[0]?.outcomes?.[index] ?? "held";
    return outcome === "held" ? `held ${rows[0]?.holds_nano?.[index] ?? holdNano}` : outcome;
  });
}

/** Charges one call by the statement for many; false when it was not open. */
export async function captureTogether(
  pool: Pool,
  body: FeedEvent.FeedBody,
  capture: Capture,
  nowMs: number,
): Promise<boolean> {
  const head = await readHead(pool, gateway, false);
  const events = chainEvents(head, [body], nowMs);
  const recordedAtMs = events[0]?.event.recordedAtMs;
  try {
    await pool.query("SELECT capture_calls($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)", [
      bytesOf(gateway),
      head.seq,
      recordedAtMs,
      textArray(events.map(({ text }) => text)),
      byteaArray(events.map(({ event }) => event.hash)),
      ...captureColumns([capture]),
    ]);
    return true;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "TAC01") return false;
    throw error;
  }
}

/** All that holds and captures write, but for the times that the store itself sets. */
export async function everyRow(pool: Pool): Promise<Record<string, unknown[]>> {
  const tables: [string, string][] = [
    ["jobs", "job_id"],
    ["calls", "call_id"],
    ["ledger_entries", "job_id, entry_number"],
    ["running_calls", "call_id"],
    ["used_proofs", "job_id, jti_hash"],
    ["idempotency_keys", "job_id, idempotency_key"],
    ["answers", "call_id"],
    ["feed_heads", "gateway"],
    ["feed_events", "gateway, seq"],
    ["budget_windows", "window_id"],
  ];
  const setByStore = new Set(["since_ms", "stored_at_ms"]);
  const read: Record<string, unknown[]> = {};
  for (const [table, order] of tables) {
    const { rows } = await pool.query<Record<string, unknown>>(`SELECT * FROM ${table} ORDER BY ${order}`);
    const isProof = table === "used_proofs";
    read[table] = rows.map((row) =>
      Object.entries(row).filter(([name]) => !setByStore.has(name) && !(isProof && name === "expires_at_ms")),
    );
  }
  return read;
}
