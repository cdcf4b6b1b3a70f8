import { ProtocolError } from "@tac/protocol";
import type { Job } from "@tac/sdk";
import { closeJob } from "./finishTask.ts";
import { importTaskJob } from "./importTaskJob.ts";
import type { Task } from "./Task.ts";
import type { TaskContext } from "./TaskContext.ts";

/** The job takes no call any more, whatever it spent before. */
const CLOSED_ALREADY: ReadonlySet<string> = new Set([
  "job_closed",
  "capability_expired",
  "capability_revoked",
]);

/**
 * Marks the tasks that an earlier process left running as `failed_resumable` and closes their jobs, so that their
 * locks are released. Prompts were in memory alone, so the caller has to send such a task again. A job that cannot be
 * closed now is tried again later (`followTasks`); gives the number of those.
 */
export async function recoverTasks(context: TaskContext): Promise<{ recovered: number; unclosed: number }> {
  let unclosed = 0;
  const abandoned = await context.tasks.findAbandoned();
  for (const task of abandoned) {
    if (!(await recoverTask(context, task))) unclosed += 1;
  }
  return { recovered: abandoned.length, unclosed };
}

/** Ends one such task; false when its job could not be closed now. */
export async function recoverTask(context: TaskContext, task: Task): Promise<boolean> {
  const { audit, tasks } = context;
  const { taskId } = task;
  const job = importTaskJob(context, task);
  const spentNano = job ? await closeAbandoned(context, task, job) : 0n;
  await tasks.end(taskId, { status: "failed_resumable", spentNano, errorCode: task.errorCode ?? "internal" });
  if (task.status !== "failed_resumable") {
    await audit.append(taskId, "failed", { code: "restarted", spentNano: spentNano?.toString() ?? null });
  }
  return spentNano !== null;
}

/** What the job spent, at most; null when it could not be closed now. */
async function closeAbandoned(context: TaskContext, task: Task, job: Job): Promise<bigint | null> {
  try {
    return (await closeJob(context, task.taskId, job)).spentNano;
  } catch (error) {
    const code = error instanceof ProtocolError ? error.code : "internal";
    // The gateway says so only of a job that was signed but never locked, so nothing was spent.
    const spentNano = code === "quote_expired" ? 0n : CLOSED_ALREADY.has(code) ? task.reservedNano : null;
    if (spentNano !== null) await context.tasks.update(task.taskId, { isJobClosed: true });
    else context.logger.error({ err: error, taskId: task.taskId }, "an abandoned job could not be closed");
    return spentNano;
  }
}
