import type { Pool } from "@tac/kit";
import { Errors } from "@tac/protocol";
import type { Hex } from "viem";
import { bytesOf, hexOf } from "../ledger/bytes.ts";
import { waitFor } from "./waitFor.ts";

/** What became of the first call of a key. `free`: it was released uncharged, so the key may run again. */
export type FirstCall =
  | { outcome: "answered"; status: number; headers: Record<string, string>; body: Buffer }
  | { outcome: "free" };

type Row = {
  receipt_id: Buffer;
  request_hash: Buffer;
  state: string;
  status: number | null;
  headers: Record<string, string> | null;
  body: Buffer | null;
};

/**
 * The answer of the first call of an idempotency key, waiting for it for some time.
 * Errors: `call_running` after `waitMs`, `idempotency_conflict` for another request and for an answer not kept.
 */
export async function firstCallOf(
  pool: Pool,
  jobId: Hex,
  idempotencyKey: string,
  requestHash: Hex,
  waitMs: number,
): Promise<FirstCall> {
  const first = await waitFor(waitMs, async (): Promise<FirstCall | null> => {
    const row = await read(pool, jobId, idempotencyKey);
    if (row === null) return { outcome: "free" };
    if (hexOf(row.request_hash) !== requestHash) throw Errors.fromCode("idempotency_conflict");
    return row.state === "captured" ? answerOf(row) : null;
  });
  if (first === null) throw Errors.fromCode("call_running");
  return first;
}

async function read(pool: Pool, jobId: Hex, idempotencyKey: string): Promise<Row | null> {
  const { rows } = await pool.query<Row>(
    `SELECT c.receipt_id, k.request_hash, c.state, a.status, a.headers, a.body
       FROM idempotency_keys k JOIN calls c USING (call_id) LEFT JOIN answers a USING (call_id)
      WHERE k.job_id = $1 AND k.idempotency_key = $2`,
    [bytesOf(jobId), idempotencyKey],
  );
  return rows[0] ?? null;
}

function answerOf(row: Row): FirstCall {
  if (row.status === null || row.headers === null || row.body === null) {
    throw Errors.fromCode("idempotency_conflict", {
      detail: `The first answer was not kept; its receipt is ${hexOf(row.receipt_id)}.`,
    });
  }
  return { outcome: "answered", status: row.status, headers: row.headers, body: row.body };
}
