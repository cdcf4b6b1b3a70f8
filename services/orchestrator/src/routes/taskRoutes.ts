import { type App, parseBody, requireBearerToken } from "@tac/kit";
import { Header, ProtocolError } from "@tac/protocol";
import type { FastifyRequest } from "fastify";
import { firstBroken } from "../audit/AuditRecord.ts";
import type { AuditStore } from "../audit/AuditStore.ts";
import { taskRequestSchema } from "../planner/TaskStep.ts";
import type { Task } from "../tasks/Task.ts";
import type { TaskRunner } from "../tasks/TaskRunner.ts";
import type { TaskStore } from "../tasks/TaskStore.ts";
import { taskToJson } from "./taskToJson.ts";

export type TaskRouteDeps = { runner: TaskRunner; tasks: TaskStore; audit: AuditStore; apiToken: string };

const IDEMPOTENCY_KEY = /^[\x21-\x7e]{1,128}$/;
const TASK_ID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

export function addTaskRoutes(app: App, { runner, tasks, audit, apiToken }: TaskRouteDeps): void {
  const requireToken = requireBearerToken(apiToken);
  const onRequest = async (request: FastifyRequest) => requireToken(request.headers.authorization);

  async function findTask(request: FastifyRequest<{ Params: { taskId: string } }>): Promise<Task> {
    const { taskId } = request.params;
    const task = TASK_ID.test(taskId) ? await tasks.find(taskId) : null;
    if (!task) throw new ProtocolError("unknown_task", { param: "taskId" });
    return task;
  }

  app.post("/v1/tasks", { onRequest }, async (request, reply) => {
    const body = parseBody(taskRequestSchema, request.body);
    const task = await runner.start(body, idempotencyKeyOf(request));
    return reply.code(202).send(taskToJson(task, runner.outputsOf(task.taskId)));
  });

  app.get<{ Params: { taskId: string } }>("/v1/tasks/:taskId", { onRequest }, async (request, reply) => {
    const task = await findTask(request);
    return reply.header("cache-control", "no-store").send(taskToJson(task, runner.outputsOf(task.taskId)));
  });

  app.get<{ Params: { taskId: string } }>("/v1/tasks/:taskId/audit", { onRequest }, async (request) => {
    const { taskId } = await findTask(request);
    const records = await audit.read(taskId);
    const brokenAt = firstBroken(records);
    return { taskId, isIntact: brokenAt === null, brokenAt, head: records.at(-1)?.hash ?? null, records };
  });
}

function idempotencyKeyOf(request: FastifyRequest): string | null {
  const key = request.headers[Header.idempotencyKey];
  if (key === undefined) return null;
  if (typeof key === "string" && IDEMPOTENCY_KEY.test(key)) return key;
  throw new ProtocolError("invalid_request", {
    detail: "An Idempotency-Key has 1 to 128 printable ASCII characters without blanks.",
    param: Header.idempotencyKey,
  });
}
