import { randomUUID } from "node:crypto";
import { ProtocolError, Wire } from "@tac/protocol";
import type { Job } from "@tac/sdk";
import type { TaskRequest } from "../planner/TaskStep.ts";
import { awaitSettlement, closeJob, codeOf, failTask } from "./finishTask.ts";
import { type PreparedTask, prepareTask } from "./prepareTask.ts";
import { runTask, type TaskOutputs } from "./runTask.ts";
import type { Task } from "./Task.ts";
import type { TaskContext } from "./TaskContext.ts";

export type TaskRunner = {
  /** Accepts a task and runs it in the background; refusals are thrown, and stay in the trail. */
  start(request: TaskRequest, idempotencyKey: string | null): Promise<Task>;
  /** Outputs of a task, while this process still holds them. */
  outputsOf(taskId: string): TaskOutputs | undefined;
  runningCount(): number;
  isRunning(taskId: string): boolean;
  /** Resolves when no task is running. */
  drain(): Promise<void>;
};

export type RunnerOptions = {
  maxRunning: number;
  /** How long outputs stay in memory after the task has ended, for the caller to fetch. */
  outputsTtlMs: number;
  onEnd?: (outcome: "ok" | "failed", durationMs: number) => void;
};

export function createTaskRunner(context: TaskContext, options: RunnerOptions): TaskRunner {
  const { audit, tasks, tenant, logger } = context;
  const running = new Map<string, Promise<void>>();
  const outputs = new Map<string, TaskOutputs>();

  async function finish(prepared: PreparedTask): Promise<void> {
    const { taskId } = prepared;
    let signed: Job | undefined;
    const startedAt = performance.now();
    try {
      const done = await runTask(context, prepared, (job) => {
        signed = job;
      });
      outputs.set(taskId, done.outputs);
      const { spentNano } = await closeJob(context, taskId, done.job);
      await tasks.end(taskId, { status: "completed", spentNano });
      await awaitSettlement(context, taskId, done.job);
      options.onEnd?.("ok", performance.now() - startedAt);
    } catch (error) {
      logger.warn({ err: error, taskId }, "a task failed");
      options.onEnd?.("failed", performance.now() - startedAt);
      const task = await tasks.find(taskId);
      // A completed task has been paid for and accounted; only the news of its settlement is missing.
      if (task?.status !== "completed") await failTask(context, taskId, signed, error);
    } finally {
      setTimeout(() => outputs.delete(taskId), options.outputsTtlMs).unref();
    }
  }

  function launch(prepared: PreparedTask): void {
    const work = finish(prepared)
      .catch((error: unknown) => {
        logger.error({ err: error, taskId: prepared.taskId }, "a task could not be recorded");
      })
      .finally(() => running.delete(prepared.taskId));
    running.set(prepared.taskId, work);
  }

  return {
    async start(request, idempotencyKey) {
      if (running.size >= options.maxRunning) {
        throw new ProtocolError("rate_limited", {
          detail: `${options.maxRunning} tasks are running already.`,
        });
      }
      const requestHash = Wire.hashJson({ ...request, maxSpendNano: request.maxSpendNano.toString() });
      const created = await tasks.create({
        taskId: randomUUID(),
        tenant,
        requestHash,
        idempotencyKey,
        maxSpendNano: request.maxSpendNano,
      });
      const { taskId } = created.task;
      if (!created.isNew) return created.task;
      try {
        await audit.append(taskId, "received", {
          tenant,
          requestHash,
          maxSpendNano: request.maxSpendNano.toString(),
        });
        const prepared = await prepareTask(context, taskId, request);
        launch(prepared);
      } catch (error) {
        await tasks.end(taskId, { status: "failed", spentNano: 0n, errorCode: codeOf(error) });
        await audit.append(taskId, "failed", { code: codeOf(error), spentNano: "0" });
        throw error;
      }
      return (await tasks.find(taskId)) ?? created.task;
    },
    outputsOf: (taskId) => outputs.get(taskId),
    runningCount: () => running.size,
    isRunning: (taskId) => running.has(taskId),
    async drain() {
      await Promise.all(running.values());
    },
  };
}
