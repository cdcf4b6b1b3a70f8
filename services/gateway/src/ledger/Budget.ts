import type { Pool } from "@tac/kit";
import { Errors, Nano } from "@tac/protocol";
import type { Address } from "viem";
import { z } from "zod";
import { bytesOf } from "./bytes.ts";

export type BudgetLevel = "tenant" | "team" | "user";
export type BudgetPeriod = "none" | "day" | "month";

/** More credit than there is; and half of what a column holds, so that no sum of it overflows. */
const LARGEST_LIMIT_NANO = 2n ** 62n - 1n;

/** Name of a team or user. One spelling each: no capitals, no blanks, nothing that can be encoded in two ways. */
export const budgetSubject = z.string().regex(/^[a-z0-9][a-z0-9_.@-]{0,63}$/);

/** `subject` is empty for the tenant itself. */
export type BudgetName = { tenant: Address; level: BudgetLevel; subject: string };

/** What may be spent in each window; a null limit lifts the budget and keeps counting. */
export type BudgetTerms = { limitNano: bigint | null; period: BudgetPeriod };

export const budgetTermsSchema = z.strictObject({
  limitNano: Nano.schema.refine((nano) => nano <= LARGEST_LIMIT_NANO).nullable(),
  period: z.enum(["none", "day", "month"]),
});

/** Sets a budget; it counts what its present window has seen already, and holds from the next call on. */
export async function setBudget(
  pool: Pool,
  { tenant, level, subject }: BudgetName,
  { limitNano, period }: BudgetTerms,
): Promise<void> {
  await pool.query("SELECT set_budget($1, $2, $3, $4, $5, store_now_ms())", [
    bytesOf(tenant),
    level,
    subject,
    period,
    limitNano,
  ]);
}

type Row = {
  budget_id: bigint;
  period: BudgetPeriod;
  limit_nano: bigint | null;
  starts_at_ms: bigint;
  held_nano: bigint | null;
  spent_nano: bigint | null;
};

/** A budget as it is enforced now, with its latest changes. Errors: `unknown_budget`. */
export async function budgetView(pool: Pool, { tenant, level, subject }: BudgetName) {
  const { rows } = await pool.query<Row>(
    `SELECT b.budget_id, b.period, b.limit_nano, s.starts_at_ms, w.held_nano, w.spent_nano
       FROM budgets b CROSS JOIN LATERAL budget_window_start(b.period, store_now_ms()) AS s(starts_at_ms)
       LEFT JOIN budget_windows w USING (budget_id, period, starts_at_ms)
      WHERE b.tenant = $1 AND b.level = $2 AND b.subject = $3`,
    [bytesOf(tenant), level, subject],
  );
  const row = rows[0];
  if (row === undefined) throw Errors.fromCode("unknown_budget");
  const { rows: changes } = await pool.query<{
    period: BudgetPeriod;
    limit_nano: bigint | null;
    changed_at_ms: bigint;
  }>("SELECT * FROM budget_changes WHERE budget_id = $1 ORDER BY change_id DESC LIMIT 100", [row.budget_id]);
  return {
    tenant,
    level,
    subject,
    period: row.period,
    limitNano: row.limit_nano?.toString() ?? null,
    windowStartsAtMs: row.starts_at_ms.toString(),
    heldNano: (row.held_nano ?? 0n).toString(),
    spentNano: (row.spent_nano ?? 0n).toString(),
    changes: changes.map((change) => ({
      period: change.period,
      limitNano: change.limit_nano?.toString() ?? null,
      changedAtMs: change.changed_at_ms.toString(),
    })),
  };
}
