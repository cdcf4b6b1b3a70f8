import { setTimeout as sleep } from "node:timers/promises";
import { recordSettlement } from "./finishTask.ts";
import { importTaskJob } from "./importTaskJob.ts";
import { recoverTask } from "./recoverTasks.ts";
import type { Task } from "./Task.ts";
import type { TaskContext } from "./TaskContext.ts";

/** Few at a time, the longest unseen first, so that many late tasks neither flood the gateway nor starve one another. */
const TASKS_PER_SWEEP = 50;

export type TaskFollower = {
  /** One look at what is left to do. */
  sweep(): Promise<void>;
  stop(): Promise<void>;
};

/**
 * Finishes what no running task waits for: a completed task becomes `settled` once the gateway says so, however long that
 * takes and across restarts, and a job that could not be closed is closed.
 */
export function followTasks(
  context: TaskContext,
  { isRunning, everyMs }: { isRunning: (taskId: string) => boolean; everyMs: number },
): TaskFollower {
  const { logger, tasks } = context;

  async function look(task: Task): Promise<void> {
    if (task.status !== "completed") {
      await recoverTask(context, task);
      return;
    }
    const job = importTaskJob(context, task);
    const status = job && (await context.client.status(job));
    if (status?.status === "settled") await recordSettlement(context, task.taskId, status);
  }

  async function sweep(): Promise<void> {
    for (const task of await tasks.findUnfinished(TASKS_PER_SWEEP)) {
      if (isRunning(task.taskId)) continue;
      // Touched before the look, so that a task that always fails takes its turn behind the others.
      await tasks.update(task.taskId, {});
      try {
        await look(task);
      } catch (error) {
        logger.warn({ err: error, taskId: task.taskId }, "a task could not be finished yet");
      }
    }
  }

  const stopping = new AbortController();
  async function run(): Promise<void> {
    while (!stopping.signal.aborted) {
      await sweep().catch((error: unknown) => logger.error({ err: error }, "looking after tasks failed"));
      await sleep(everyMs, undefined, { signal: stopping.signal }).catch(() => undefined);
    }
  }
  const ended = run();
  return {
    sweep,
    async stop() {
      stopping.abort();
      await ended;
    },
  };
}
