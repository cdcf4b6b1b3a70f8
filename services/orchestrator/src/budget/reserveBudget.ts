import { type Pool, type Transaction, withTransaction } from "@tac/kit";
import { ProtocolError } from "@tac/protocol";

export type BudgetCaps = { perTaskNano: bigint; perDayNano: bigint };

/** Throws `over_budget` when a task's worst case is above what the request or the policy allows for one task. */
export function checkTaskBudget(ceilingNano: bigint, maxSpendNano: bigint, caps: BudgetCaps): void {
  const limitNano = maxSpendNano < caps.perTaskNano ? maxSpendNano : caps.perTaskNano;
  if (ceilingNano <= limitNano) return;
  throw new ProtocolError("over_budget", {
    detail: `The task may cost ${ceilingNano} nanocredits, but at most ${limitNano} are allowed.`,
    param: "maxSpendNano",
  });
}

/**
 * Takes the task's worst case out of its tenant's budget of the day. The check and the taking are one statement, so
 * that concurrent tasks cannot both pass. Throws `over_budget`.
 */
export function reserveBudget(
  pool: Pool,
  taskId: string,
  amountNano: bigint,
  caps: BudgetCaps,
): Promise<void> {
  return withTransaction(pool, async (transaction) => {
    const { rowCount } = await transaction.query(
      `INSERT INTO day_budgets AS budget (tenant, budget_day, committed_nano)
         SELECT tenant, budget_day, $2::bigint FROM tasks WHERE task_id = $1 AND $2::bigint <= $3::bigint
       ON CONFLICT (tenant, budget_day) DO UPDATE SET committed_nano = budget.committed_nano + $2::bigint
         WHERE budget.committed_nano + $2::bigint <= $3::bigint`,
      [taskId, amountNano, caps.perDayNano],
    );
    if (rowCount !== 1) {
      throw new ProtocolError("over_budget", {
        detail: `The task's ${amountNano} nanocredits are more than what is left of the day's ${caps.perDayNano}.`,
      });
    }
    await transaction.query("UPDATE tasks SET reserved_nano = reserved_nano + $2 WHERE task_id = $1", [
      taskId,
      amountNano,
    ]);
  });
}

/** Gives back what a task reserved and did not spend; doing it twice changes nothing. */
export async function settleBudget(
  transaction: Transaction,
  taskId: string,
  spentNano: bigint,
): Promise<void> {
  const { rows } = await transaction.query<{ reserved_nano: bigint }>(
    "SELECT reserved_nano FROM tasks WHERE task_id = $1 FOR UPDATE",
    [taskId],
  );
  const reservedNano = rows[0]?.reserved_nano ?? 0n;
  if (reservedNano === 0n) return;
  await transaction.query(
    `UPDATE day_budgets SET committed_nano = committed_nano - $2::bigint + $3::bigint
      WHERE (tenant, budget_day) = (SELECT tenant, budget_day FROM tasks WHERE task_id = $1)`,
    [taskId, reservedNano, spentNano],
  );
  await transaction.query("UPDATE tasks SET reserved_nano = 0, spent_nano = $2 WHERE task_id = $1", [
    taskId,
    spentNano,
  ]);
}
