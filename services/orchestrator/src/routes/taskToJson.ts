import type { TaskOutputs } from "../tasks/runTask.ts";
import type { Task } from "../tasks/Task.ts";

/** `outputs` is there only while this process holds the answers in memory. */
export function taskToJson(task: Task, outputs: TaskOutputs | undefined) {
  return {
    taskId: task.taskId,
    status: task.status,
    tenant: task.tenant,
    requestHash: task.requestHash,
    planHash: task.planHash,
    maxSpendNano: task.maxSpendNano.toString(),
    reservedNano: task.reservedNano.toString(),
    spentNano: task.spentNano.toString(),
    ...jobOf(task.job),
    steps: task.steps,
    settlements: task.settlements,
    errorCode: task.errorCode,
    createdAtMs: task.createdAtMs,
    updatedAtMs: task.updatedAtMs,
    ...(outputs === undefined ? {} : { outputs }),
  };
}

/** The stored job also holds the quote and the capability's signature, which a reader of a task does not need. */
function jobOf(job: unknown): { jobId: unknown; lock: unknown } {
  if (typeof job !== "object" || job === null || !("capability" in job)) return { jobId: null, lock: null };
  const { capability } = job;
  const jobId =
    typeof capability === "object" && capability !== null && "jobId" in capability ? capability.jobId : null;
  return { jobId, lock: "lock" in job ? job.lock : null };
}
