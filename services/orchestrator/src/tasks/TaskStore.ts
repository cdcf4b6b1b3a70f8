import { type Pool, withTransaction } from "@tac/kit";
import { ProtocolError } from "@tac/protocol";
import type { Hex } from "viem";
import { settleBudget } from "../budget/reserveBudget.ts";
import type { Task, TaskSettlement, TaskStatus, TaskStepState } from "./Task.ts";

export type NewTask = {
  taskId: string;
  tenant: string;
  requestHash: Hex;
  idempotencyKey: string | null;
  maxSpendNano: bigint;
};

type Change = Partial<Pick<Task, "status" | "planHash" | "job" | "isJobClosed" | "steps" | "settlements">>;

export type TaskStore = {
  /** The task, and whether it is new; `idempotency_conflict` when the key belongs to another request. */
  create(task: NewTask): Promise<{ task: Task; isNew: boolean }>;
  find(taskId: string): Promise<Task | null>;
  update(taskId: string, change: Change): Promise<void>;
  /**
   * Ends a task: what it reserved and did not spend is free again. `spentNano` is null when it is not known yet; the
   * reservation then stays.
   */
  end(
    taskId: string,
    outcome: { status: TaskStatus; spentNano: bigint | null; errorCode?: string },
  ): Promise<void>;
  /** Tasks an earlier process left: still running, or with a job that could not be closed yet. */
  findAbandoned(): Promise<Task[]>;
  /** Tasks that wait for their settlement, or whose job could not be closed; the longest untouched first. */
  findUnfinished(limit: number): Promise<Task[]>;
};

type Row = {
  task_id: string;
  tenant: string;
  status: TaskStatus;
  request_hash: Hex;
  max_spend_nano: bigint;
  reserved_nano: bigint;
  spent_nano: bigint;
  plan_hash: Hex | null;
  job: unknown;
  is_job_closed: boolean;
  steps: TaskStepState[];
  settlements: TaskSettlement[];
  error_code: string | null;
  created_at_ms: bigint;
  updated_at_ms: bigint;
};

function toTask(row: Row): Task {
  return {
    taskId: row.task_id,
    tenant: row.tenant,
    status: row.status,
    requestHash: row.request_hash,
    maxSpendNano: row.max_spend_nano,
    reservedNano: row.reserved_nano,
    spentNano: row.spent_nano,
    planHash: row.plan_hash,
    job: row.job,
    isJobClosed: row.is_job_closed,
    steps: row.steps,
    settlements: row.settlements,
    errorCode: row.error_code,
    createdAtMs: Number(row.created_at_ms),
    updatedAtMs: Number(row.updated_at_ms),
  };
}

export function createTaskStore(pool: Pool, now: () => number = Date.now): TaskStore {
  async function find(taskId: string): Promise<Task | null> {
    const { rows } = await pool.query<Row>("SELECT * FROM tasks WHERE task_id = $1", [taskId]);
    return rows[0] ? toTask(rows[0]) : null;
  }

  return {
    find,
    async create({ taskId, tenant, requestHash, idempotencyKey, maxSpendNano }) {
      const nowMs = now();
      const day = new Date(nowMs).toISOString().slice(0, 10);
      const { rows } = await pool.query<Row>(
        `INSERT INTO tasks (task_id, tenant, status, request_hash, idempotency_key, max_spend_nano, budget_day,
                            created_at_ms, updated_at_ms)
         VALUES ($1, $2, 'accepted', $3, $4, $5, $6, $7, $7)
         ON CONFLICT ON CONSTRAINT tasks_idempotency_once DO NOTHING RETURNING *`,
        [taskId, tenant, requestHash, idempotencyKey, maxSpendNano, day, nowMs],
      );
      if (rows[0]) return { task: toTask(rows[0]), isNew: true };
      const { rows: existing } = await pool.query<Row>(
        "SELECT * FROM tasks WHERE tenant = $1 AND idempotency_key = $2",
        [tenant, idempotencyKey],
      );
      const task = existing[0] && toTask(existing[0]);
      if (task?.requestHash !== requestHash) throw new ProtocolError("idempotency_conflict");
      return { task, isNew: false };
    },
    async update(taskId, change) {
      await pool.query(
        `UPDATE tasks SET status = coalesce($2, status), plan_hash = coalesce($3, plan_hash),
                job = coalesce($4, job), is_job_closed = coalesce($5, is_job_closed),
                steps = coalesce($6, steps), settlements = coalesce($7, settlements), updated_at_ms = $8
          WHERE task_id = $1`,
        [
          taskId,
          change.status ?? null,
          change.planHash ?? null,
          change.job === undefined ? null : JSON.stringify(change.job),
          change.isJobClosed ?? null,
          change.steps === undefined ? null : JSON.stringify(change.steps),
          change.settlements === undefined ? null : JSON.stringify(change.settlements),
          now(),
        ],
      );
    },
    end: (taskId, { status, spentNano, errorCode }) =>
      withTransaction(pool, async (transaction) => {
        if (spentNano !== null) await settleBudget(transaction, taskId, spentNano);
        await transaction.query(
          "UPDATE tasks SET status = $2, error_code = $3, updated_at_ms = $4 WHERE task_id = $1",
          [taskId, status, errorCode ?? null, now()],
        );
      }),
    async findAbandoned() {
      const { rows } = await pool.query<Row>(
        `SELECT * FROM tasks
          WHERE status IN ('accepted', 'running')
             OR (status = 'failed_resumable' AND job IS NOT NULL AND NOT is_job_closed)
          ORDER BY created_at_ms LIMIT 1000`,
      );
      return rows.map(toTask);
    },
    async findUnfinished(limit) {
      const { rows } = await pool.query<Row>(
        `SELECT * FROM tasks
          WHERE status = 'completed'
             OR (status = 'failed_resumable' AND job IS NOT NULL AND NOT is_job_closed)
          ORDER BY updated_at_ms LIMIT $1`,
        [limit],
      );
      return rows.map(toTask);
    },
  };
}
