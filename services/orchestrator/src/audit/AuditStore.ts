import { type Pool, withTransaction } from "@tac/kit";
import type { Hex } from "viem";
import { type AuditBody, type AuditKind, type AuditRecord, hashRecord, NO_RECORD } from "./AuditRecord.ts";

/** Appends to and reads the trails; the table itself refuses updates and deletions. */
export type AuditStore = {
  append(taskId: string, kind: AuditKind, body: AuditBody): Promise<AuditRecord>;
  read(taskId: string): Promise<AuditRecord[]>;
};

type Row = {
  seq: bigint;
  kind: AuditKind;
  body: AuditBody;
  recorded_at_ms: bigint;
  previous_hash: Hex;
  hash: Hex;
};

export function createAuditStore(pool: Pool, now: () => number = Date.now): AuditStore {
  return {
    append: (taskId, kind, body) =>
      withTransaction(pool, async (transaction) => {
        // One writer at a time per task, so that two records never follow the same one.
        await transaction.query("SELECT FROM tasks WHERE task_id = $1 FOR UPDATE", [taskId]);
        const { rows } = await transaction.query<{ seq: bigint; hash: Hex }>(
          "SELECT seq, hash FROM audit_records WHERE task_id = $1 ORDER BY seq DESC LIMIT 1",
          [taskId],
        );
        const seq = Number(rows[0]?.seq ?? 0n) + 1;
        const unhashed = {
          taskId,
          seq,
          kind,
          body,
          recordedAtMs: now(),
          previousHash: rows[0]?.hash ?? NO_RECORD,
        };
        const record: AuditRecord = { ...unhashed, hash: hashRecord(unhashed) };
        await transaction.query("INSERT INTO audit_records VALUES ($1, $2, $3, $4, $5, $6, $7)", [
          taskId,
          seq,
          kind,
          JSON.stringify(body),
          record.recordedAtMs,
          record.previousHash,
          record.hash,
        ]);
        return record;
      }),
    async read(taskId) {
      const { rows } = await pool.query<Row>("SELECT * FROM audit_records WHERE task_id = $1 ORDER BY seq", [
        taskId,
      ]);
      return rows.map((row) => ({
        taskId,
        seq: Number(row.seq),
        kind: row.kind,
        body: row.body,
        recordedAtMs: Number(row.recorded_at_ms),
        previousHash: row.previous_hash,
        hash: row.hash,
      }));
    },
  };
}
