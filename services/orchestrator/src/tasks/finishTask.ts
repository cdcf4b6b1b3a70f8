import { ProtocolError } from "@tac/protocol";
import type { Job, JobStatus } from "@tac/sdk";
import type { TaskSettlement } from "./Task.ts";
import type { TaskContext } from "./TaskContext.ts";

/** Closes the job, so that no call can follow and its lock is released by the next settlement. */
export async function closeJob(
  { audit, client, tasks }: TaskContext,
  taskId: string,
  job: Job,
): Promise<JobStatus> {
  const { closedAtMs } = await client.close(job);
  const status = await client.status(job);
  await tasks.update(taskId, { isJobClosed: true });
  await audit.append(taskId, "closed", {
    jobId: job.jobId,
    closedAtMs: closedAtMs.toString(),
    spentNano: status.spentNano.toString(),
    releasedNano: (status.lockedNano - status.spentNano).toString(),
  });
  return status;
}

/** Makes a completed task `settled`. The trail comes first: after a crash it may say so twice, but never not at all. */
export async function recordSettlement(
  { audit, tasks }: TaskContext,
  taskId: string,
  { jobId, settlements }: JobStatus,
): Promise<void> {
  const listed: TaskSettlement[] = settlements.map(
    ({ batchNumber, batchHash, transactionHash, blockNumber }) => ({
      batchNumber: batchNumber.toString(),
      batchHash,
      transactionHash,
      blockNumber: blockNumber.toString(),
    }),
  );
  await audit.append(taskId, "settled", { jobId, settlements: listed });
  await tasks.update(taskId, { status: "settled", settlements: listed });
}

/** Waits for the chain; a settlement that takes longer than allowed leaves the task `completed` for `followTasks`. */
export async function awaitSettlement(context: TaskContext, taskId: string, job: Job): Promise<void> {
  const { client, logger, settlementTimeoutMs } = context;
  try {
    await recordSettlement(context, taskId, await client.settlement(job, { timeoutMs: settlementTimeoutMs }));
  } catch (error) {
    if (!(error instanceof ProtocolError) || error.code !== "not_settled") throw error;
    logger.warn({ taskId, jobId: job.jobId }, "the settlement is late");
  }
}

/**
 * Ends a task that failed: the job is closed so that its lock is released, the budget gets back what was not spent.
 * When the job cannot be closed now, the reservation stays until it can.
 */
export async function failTask(
  context: TaskContext,
  taskId: string,
  job: Job | undefined,
  cause: unknown,
): Promise<void> {
  const { audit, tasks } = context;
  const errorCode = codeOf(cause);
  const spentNano = job ? await closeFailedJob(context, taskId, job) : 0n;
  await tasks.end(taskId, {
    status: spentNano === null ? "failed_resumable" : "failed",
    spentNano,
    errorCode,
  });
  await audit.append(taskId, "failed", { code: errorCode, spentNano: spentNano?.toString() ?? null });
}

/** What the job spent; null when it could not be closed, and so may still be spent from. */
async function closeFailedJob(context: TaskContext, taskId: string, job: Job): Promise<bigint | null> {
  const before = await context.tasks.find(taskId);
  if (before?.isJobClosed === true) return (await context.client.status(job)).spentNano;
  try {
    return (await closeJob(context, taskId, job)).spentNano;
  } catch (error) {
    context.logger.error(
      { err: error, taskId, jobId: job.jobId },
      "the job of a failed task could not be closed",
    );
    return null;
  }
}

export function codeOf(error: unknown): string {
  if (error instanceof ProtocolError) return error.code;
  return error instanceof Error && "code" in error && typeof error.code === "string"
    ? error.code
    : "internal";
}
