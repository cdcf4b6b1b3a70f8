import type { Pool } from "@tac/kit";
import type { Hex } from "viem";
import { bytesOf } from "./bytes.ts";
import { type JobBalances, JobLedger } from "./JobLedger.ts";
import type { EntryCall, LedgerEntry } from "./LedgerEntry.ts";

export type LedgerAudit = Pick<JobLedger, "entryCount" | "balances" | "problems">;

const PAGE = 5_000;

/**
 * Recomputes a job's ledger from its entries, page by page, and compares it with its calls and with the job's row.
 * Meant for a job at rest: a call that is booked between two pages shows as a problem.
 */
export async function auditJob(pool: Pool, jobId: Hex): Promise<LedgerAudit> {
  const ledger = new JobLedger();
  for (let after = 0n; ; ) {
    const { rows } = await pool.query<LedgerEntry & { call: boolean } & EntryCall>(
      `SELECT e.*, c.call_id IS NOT NULL AS call, c.hold_nano, c.cost_nano, c.provider_id, c.state
         FROM ledger_entries e LEFT JOIN calls c USING (call_id)
        WHERE e.job_id = $1 AND e.entry_number > $2 ORDER BY e.entry_number LIMIT ${PAGE}`,
      [bytesOf(jobId), after],
    );
    for (const row of rows) ledger.add(row, row.call ? row : null);
    const last = rows.at(-1);
    if (last === undefined) break;
    after = last.entry_number;
  }
  const { rows: jobs } = await pool.query<JobBalances>("SELECT * FROM jobs WHERE job_id = $1", [
    bytesOf(jobId),
  ]);
  if (jobs[0] === undefined) ledger.problems.push("no such job");
  else ledger.end(jobs[0]);
  return ledger;
}
