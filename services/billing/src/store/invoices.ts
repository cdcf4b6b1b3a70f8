import { type Pool, withTransaction } from "@tac/kit";
import { Invoice, Wire } from "@tac/protocol";
import type { Address, Hex } from "viem";

export type InvoiceSummary = {
  sequence: bigint;
  invoiceId: Hex;
  jobId: Hex;
  totalNano: bigint;
  paidNano: bigint;
  lineCount: number;
  issuedAtMs: bigint;
};

/**
 * Jobs that are final and have no invoice, oldest first: the lock is closed, and every batch that settled a line of
 * the job up to then is stored.
 */
export async function jobsToInvoice(pool: Pool, limit: number): Promise<Hex[]> {
  const { rows } = await pool.query<{ job_id: Hex }>(
    `SELECT f.job_id FROM final_jobs f
     WHERE f.invoiced_at IS NULL AND NOT EXISTS (
       SELECT FROM chain_events e JOIN batches b USING (lane_id, batch_number)
       WHERE e.job_id = f.job_id AND e.name = 'LineSettled' AND b.collected_at IS NULL
         AND (e.block_number, e.log_index) <= (f.block_number, f.log_index))
     ORDER BY f.block_number, f.log_index LIMIT $1`,
    [limit],
  );
  return rows.map((row) => row.job_id);
}

/** Where in the chain the job ended; null while it is not final. */
export async function endOfJob(
  pool: Pool,
  jobId: Hex,
): Promise<{ blockNumber: bigint; logIndex: number } | null> {
  const { rows } = await pool.query<{ block_number: bigint; log_index: number }>(
    "SELECT block_number, log_index FROM final_jobs WHERE job_id = $1",
    [jobId],
  );
  return rows[0] === undefined ? null : { blockNumber: rows[0].block_number, logIndex: rows[0].log_index };
}

/** Stores an invoice unless its job has one already; the first one stays. True when this one was stored. */
export async function insertInvoice(pool: Pool, invoice: Invoice.Invoice): Promise<boolean> {
  return withTransaction(pool, async (transaction) => {
    const { rowCount } = await transaction.query(
      `INSERT INTO invoices
         (invoice_id, job_id, tenant, total_nano, paid_nano, line_count, issued_at_ms, body)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (job_id) DO NOTHING`,
      [
        invoice.invoiceId,
        invoice.jobId,
        invoice.tenant,
        invoice.totals.totalNano,
        invoice.totals.paidNano,
        invoice.lines.length,
        invoice.issuedAtMs,
        Wire.canonicalJson(Invoice.toJson(invoice)),
      ],
    );
    await transaction.query(
      "UPDATE final_jobs SET invoiced_at = now() WHERE job_id = $1 AND invoiced_at IS NULL",
      [invoice.jobId],
    );
    return rowCount === 1;
  });
}

/** The JSON text of a job's invoice, as it was issued. */
export async function findInvoice(pool: Pool, jobId: Hex): Promise<string | null> {
  const { rows } = await pool.query<{ body: string }>("SELECT body FROM invoices WHERE job_id = $1", [jobId]);
  return rows[0]?.body ?? null;
}

type SummaryRow = {
  sequence: bigint;
  invoice_id: Hex;
  job_id: Hex;
  total_nano: string;
  paid_nano: string;
  line_count: number;
  issued_at_ms: bigint;
};

/** A tenant's invoices after `afterSequence`, in the order they were issued. */
export async function invoicesOfTenant(
  pool: Pool,
  tenant: Address,
  { afterSequence, limit }: { afterSequence: bigint; limit: number },
): Promise<InvoiceSummary[]> {
  const { rows } = await pool.query<SummaryRow>(
    `SELECT sequence, invoice_id, job_id, total_nano, paid_nano, line_count, issued_at_ms FROM invoices
     WHERE tenant = $1 AND sequence > $2 ORDER BY sequence LIMIT $3`,
    [tenant, afterSequence, limit],
  );
  return rows.map((row) => ({
    sequence: row.sequence,
    invoiceId: row.invoice_id,
    jobId: row.job_id,
    totalNano: BigInt(row.total_nano),
    paidNano: BigInt(row.paid_nano),
    lineCount: row.line_count,
    issuedAtMs: row.issued_at_ms,
  }));
}
