import type { Pool } from "@tac/kit";
import type { Hex } from "viem";
import { auditJob } from "./auditJob.ts";
import { hexOf } from "./bytes.ts";

export type LedgerReport = {
  jobs: number;
  entries: number;
  lockedNano: bigint;
  heldNano: bigint;
  /** Paid to providers. */
  spentNano: bigint;
  /** `subject`: the job, or the window of a budget, that does not agree. */
  problems: { subject: string; problem: string }[];
};

const PAGE = 500;

/**
 * Recomputes every job's chain and balances, that each receipt of the feed was captured once and for its cost, and
 * the budgets' sums. Entries of a job that is not there are a problem of that job.
 */
export async function verifyLedger(pool: Pool): Promise<LedgerReport> {
  const report: LedgerReport = {
    jobs: 0,
    entries: 0,
    lockedNano: 0n,
    heldNano: 0n,
    spentNano: 0n,
    problems: [],
  };
  for await (const jobId of jobIds(pool)) {
    const { entryCount, balances, problems } = await auditJob(pool, jobId);
    report.jobs += 1;
    report.entries += entryCount;
    for (const [account, nano] of balances) {
      if (account === "lock") report.lockedNano -= nano;
      else if (account === "held") report.heldNano += nano;
      else if (account.startsWith("provider:")) report.spentNano += nano;
    }
    for (const problem of problems) report.problems.push({ subject: jobId, problem });
  }
  report.problems.push(...(await receiptProblems(pool)), ...(await budgetProblems(pool)));
  return report;
}

async function* jobIds(pool: Pool): AsyncGenerator<Hex> {
  for (let after = Buffer.alloc(0); ; ) {
    const { rows } = await pool.query<{ job_id: Buffer }>(
      `SELECT job_id FROM (SELECT job_id FROM jobs UNION SELECT DISTINCT job_id FROM ledger_entries) known
        WHERE job_id > $1 ORDER BY job_id LIMIT ${PAGE}`,
      [after],
    );
    for (const { job_id: jobId } of rows) yield hexOf(jobId);
    const last = rows.at(-1);
    if (last === undefined) return;
    after = Buffer.from(last.job_id);
  }
}

/** Every receipt of the feed has one capture entry of its cost, and every capture entry a receipt. */
async function receiptProblems(pool: Pool): Promise<LedgerReport["problems"]> {
  const { rows } = await pool.query<{
    job_id: Buffer;
    call_id: Buffer;
    amount_nano: bigint;
    cost: string | null;
  }>(
    `SELECT e.job_id, e.call_id, e.amount_nano, f.event->'body'->'receipt'->>'costNano' AS cost
       FROM ledger_entries e
       LEFT JOIN calls c USING (call_id)
       LEFT JOIN feed_events f ON f.gateway = c.feed_gateway AND f.seq = c.feed_seq
        AND f.event->'body'->'receipt'->>'receiptId' = '0x' || encode(c.receipt_id, 'hex')
      WHERE e.kind = 'capture' AND (f.event->'body'->'receipt'->>'costNano') IS DISTINCT FROM e.amount_nano::text
      LIMIT 1000`,
  );
  const { rows: unbooked } = await pool.query<{ receipt_id: string; job_id: string }>(
    `SELECT r.receipt_id, r.job_id
       FROM (SELECT event->'body'->'receipt'->>'receiptId' AS receipt_id, event->'body'->'receipt'->>'jobId' AS job_id
               FROM feed_events WHERE event->>'kind' = 'usage') r
       LEFT JOIN calls c ON c.receipt_id = decode(substr(r.receipt_id, 3), 'hex') AND c.state <> 'released'
       LEFT JOIN ledger_entries e
              ON e.job_id = decode(substr(r.job_id, 3), 'hex') AND e.call_id = c.call_id AND e.kind = 'capture'
      GROUP BY r.receipt_id, r.job_id HAVING count(e.call_id) <> 1
      LIMIT 1000`,
  );
  return [
    ...rows.map((row) => ({
      subject: hexOf(row.job_id),
      problem: `the capture of ${hexOf(row.call_id)} says ${row.amount_nano}, its receipt ${row.cost ?? "nothing"}`,
    })),
    ...unbooked.map((row) => ({
      subject: row.job_id,
      problem: `the receipt ${row.receipt_id} is not captured once`,
    })),
  ];
}

/** What is held of a budget is what running calls took of it. */
async function budgetProblems(pool: Pool): Promise<LedgerReport["problems"]> {
  const { rows } = await pool.query<{ window_id: bigint; held_nano: bigint; actual: bigint }>(
    `SELECT w.window_id, w.held_nano, coalesce(r.held_nano, 0)::bigint AS actual
       FROM budget_windows w LEFT JOIN (
         SELECT id AS window_id, sum(c.hold_nano) AS held_nano
           FROM running_calls o JOIN calls c USING (call_id) CROSS JOIN LATERAL unnest(o.budget_windows) id
          GROUP BY id) r USING (window_id)
      WHERE w.held_nano <> coalesce(r.held_nano, 0)`,
  );
  return rows.map((row) => ({
    subject: `budget window ${row.window_id}`,
    problem: `holds ${row.held_nano}, its running calls ${row.actual}`,
  }));
}
