import type { Job } from "@tac/sdk";
import type { Task } from "./Task.ts";
import type { TaskContext } from "./TaskContext.ts";
import { taskHolder } from "./taskHolder.ts";

/** The job of a stored task with its key derived anew; null for a task that signed none. */
export function importTaskJob({ client, tenantPrivateKey }: TaskContext, task: Task): Job | null {
  if (task.job === null || typeof task.job !== "object") return null;
  const { privateKey } = taskHolder(tenantPrivateKey, task.taskId);
  return client.importJob({ ...task.job, holderPrivateJwk: privateKey.export({ format: "jwk" }) });
}
