import { type App, createApp, type Metrics, type ServerTls } from "@tac/kit";
import { addTaskRoutes } from "./routes/taskRoutes.ts";
import type { TaskContext } from "./tasks/TaskContext.ts";
import { createTaskRunner, type RunnerOptions, type TaskRunner } from "./tasks/TaskRunner.ts";

export type AppDeps = {
  context: TaskContext;
  runnerOptions: Omit<RunnerOptions, "onEnd">;
  apiToken: string;
  metrics: Metrics;
  tls?: ServerTls | null;
};

/** The HTTP service; `runner` is for draining at shutdown. Health: the store answers and tariffs can be read. */
export function buildApp({ context, runnerOptions, apiToken, metrics, tls = null }: AppDeps): {
  app: App;
  runner: TaskRunner;
} {
  const taskMs = metrics.histogram("task_ms", "Time from acceptance to the end of a task, in milliseconds", [
    "outcome",
  ]);
  const runner = createTaskRunner(context, {
    ...runnerOptions,
    onEnd: (outcome, durationMs) => taskMs.observe({ outcome }, durationMs),
  });
  metrics.observedGauge("tasks_running", "Tasks that are running", () => runner.runningCount());
  const app = createApp({
    service: "orchestrator",
    logger: context.logger,
    metrics,
    tls,
    checks: {
      store: () => context.pool.query("SELECT 1"),
      tariffs: () => context.fetchTariffs(),
    },
  });
  addTaskRoutes(app, { runner, tasks: context.tasks, audit: context.audit, apiToken });
  return { app, runner };
}
