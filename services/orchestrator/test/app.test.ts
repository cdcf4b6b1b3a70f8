import { fileURLToPath } from "node:url";
import { createLogger, createMetrics, createPool, migrate, type Pool } from "@tac/kit";
import { startTestDatabase, type TestDatabase } from "@tac/kit/testing";
import { Nano, ProtocolError, Wire } from "@tac/protocol";
import { type Client, createClient } from "@tac/sdk";
import {
  startTestGateway,
  type TestGateway,
  testDeployment,
  testModels,
  testTariffSigner,
  testTenantKey,
  toTariffs,
} from "@tac/sdk/testing";
import { privateKeyToAccount } from "viem/accounts";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { z } from "zod";
import { buildApp } from "../src/app.ts";
import { createAuditStore } from "../src/audit/AuditStore.ts";
import { type Policy, policySchema } from "../src/policy/Policy.ts";
import { followTasks } from "../src/tasks/followTasks.ts";
import { recoverTasks } from "../src/tasks/recoverTasks.ts";
import type { TaskContext } from "../src/tasks/TaskContext.ts";
import { createTaskStore } from "../src/tasks/TaskStore.ts";

const API_TOKEN = "a-token-of-the-orchestrator";
const authorization = `Bearer ${API_TOKEN}`;
const tenant = Wire.privateKeyToAddress(testTenantKey);
const goal = "Mail jane@example.com about card 4111 1111 1111 1111.";

let database: TestDatabase;
let gateway: TestGateway;
let pool: Pool;
let client: Client;
const logLines: string[] = [];

beforeAll(async () => {
  database = await startTestDatabase();
  gateway = await startTestGateway();
  client = createClient({
    gatewayUrl: gateway.url,
    ca: gateway.ca,
    deployment: testDeployment,
    tenant: privateKeyToAccount(testTenantKey),
    tariffSigner: testTariffSigner,
    retry: { maxRetries: 1, baseDelayMs: 1 },
  });
  pool = createPool({ url: database.url });
  await migrate(pool, fileURLToPath(new URL("../migrations", import.meta.url)));
});

afterAll(async () => {
  await client?.shutdown();
  await gateway?.close();
  await pool?.end();
  await database?.stop();
});

afterEach(async () => {
  gateway.faults.length = 0;
  gateway.seen.length = 0;
  gateway.echo = (prompt) => `You said: ${prompt}`;
  await pool.query("DELETE FROM day_budgets");
});

function start(policy: Partial<z.input<typeof policySchema>> = {}, more: Partial<TaskContext> = {}) {
  const parsed: Policy = policySchema.parse(policy);
  const context: TaskContext = {
    pool,
    tasks: createTaskStore(pool),
    audit: createAuditStore(pool),
    client,
    policy: parsed,
    tenant,
    tenantPrivateKey: testTenantKey,
    fetchTariffs: async () => toTariffs(testModels),
    settlementTimeoutMs: 10_000,
    logger: createLogger(
      { service: "orchestrator", level: "debug" },
      { write: (line) => void logLines.push(line) },
    ),
    ...more,
  };
  const metrics = createMetrics({ service: "orchestrator", processMetrics: false });
  const built = buildApp({
    context,
    runnerOptions: { maxRunning: 4, outputsTtlMs: 60_000 },
    apiToken: API_TOKEN,
    metrics,
  });
  return { ...built, context };
}

const credits = Nano.toJson(Nano.NANO_PER_CREDIT);
const post = (app: ReturnType<typeof start>["app"], payload: object, headers: Record<string, string> = {}) =>
  app.inject({ method: "POST", url: "/v1/tasks", headers: { authorization, ...headers }, payload });
const get = async (app: ReturnType<typeof start>["app"], path: string) =>
  (await app.inject({ method: "GET", url: `/v1/tasks/${path}`, headers: { authorization } })).json();
const spentToday = async () => {
  const { rows } = await pool.query<{ total: string }>(
    "SELECT coalesce(sum(committed_nano), 0) AS total FROM day_budgets",
  );
  return BigInt(rows[0]?.total ?? 0);
};

describe("a task", () => {
  it("goes from a goal to settled transactions, with every step in an intact trail", async () => {
    const { app, runner } = start();
    const accepted = await post(app, { goal, maxSpendNano: credits });
    expect(accepted.statusCode).toBe(202);
    const { taskId } = accepted.json();
    await runner.drain();

    const task = await get(app, taskId);
    expect(task).toMatchObject({ status: "settled", errorCode: null, reservedNano: "0" });
    expect(task.settlements[0].transactionHash).toMatch(/^0x[0-9a-f]{64}$/);
    expect(task.steps.map((step: { model: string }) => step.model)).toEqual(["chat-small", "embed-small"]);
    expect(task.outputs.answer.text).toBe("You said: Mail [EMAIL] about card [CARD].");
    expect(task.outputs.embedding.embeddings).toHaveLength(1);
    const state = gateway.jobs.all.get(task.jobId);
    expect(BigInt(task.spentNano)).toBe(state?.spentNano);
    expect(await spentToday()).toBe(state?.spentNano);
    expect(state?.capability.holder).not.toBe(undefined);

    const trail = await get(app, `${taskId}/audit`);
    expect(trail).toMatchObject({ isIntact: true, brokenAt: null });
    const kinds = trail.records.map((record: { kind: string }) => record.kind);
    expect(kinds).toEqual([
      ...["received", "redacted", "planned", "reserved", "quoted", "locked"],
      ...["called", "called", "closed", "settled"],
    ]);
    const called = trail.records.filter((record: { kind: string }) => record.kind === "called");
    expect(called.map((record: { body: { receiptId: string } }) => record.body.receiptId)).toEqual(
      state?.receipts.map(({ receipt }) => receipt.receiptId),
    );
  });

  it("lets no personal data out, and keeps neither prompts nor answers in the store or the log", async () => {
    const { app, runner } = start();
    gateway.echo = () => "secret-answer from bob@example.org";
    const { taskId } = (await post(app, { goal: `secret-prompt ${goal}`, maxSpendNano: credits })).json();
    await runner.drain();
    expect((await get(app, taskId)).status).toBe("settled");
    const sent = gateway.seen.map(({ body }) => body.toString()).join("\n");
    expect(sent).toContain("secret-prompt");
    expect(sent).not.toMatch(/jane@|4111|bob@/);
    const tables = await Promise.all(
      ["tasks", "audit_records"].map((table) => pool.query(`SELECT t::text FROM ${table} t`)),
    );
    const stored = JSON.stringify(tables.map(({ rows }) => rows)) + logLines.join("\n");
    expect(stored).not.toMatch(/secret-prompt|secret-answer|jane@|bob@/);
  });

  it("withholds a denied answer, closes the job and gives the rest of the budget back", async () => {
    const { app, runner } = start({ deniedOutputs: ["forbidden"] });
    gateway.echo = () => "this is FORBIDDEN";
    const { taskId } = (await post(app, { goal: "x", maxSpendNano: credits })).json();
    await runner.drain();
    const task = await get(app, taskId);
    expect(task).toMatchObject({ status: "failed", errorCode: "policy_refused", reservedNano: "0" });
    expect(task.outputs).toBeUndefined();
    const state = gateway.jobs.all.get(task.jobId);
    expect(state?.status).toBe("closed");
    expect(await spentToday()).toBe(state?.spentNano);
  });

  it("runs given steps, and feeds answers forward", async () => {
    const { app, runner } = start();
    const steps = [
      { id: "one", kind: "chat", text: "first", model: "chat-large" },
      { id: "two", kind: "chat", text: "again: {{one}}" },
    ];
    const { taskId } = (await post(app, { steps, maxSpendNano: credits })).json();
    await runner.drain();
    const task = await get(app, taskId);
    expect(task.outputs.two.text).toBe("You said: again: You said: first");
    expect(task.steps.map((step: { providerId: number }) => step.providerId)).toEqual([2, 1]);
  });

  it("answers a repeated request with the first task, and refuses another under the same key", async () => {
    const { app, runner } = start();
    const headers = { "idempotency-key": `key-${Date.now()}` };
    const first = (await post(app, { goal: "once", maxSpendNano: credits }, headers)).json();
    const second = (await post(app, { goal: "once", maxSpendNano: credits }, headers)).json();
    expect(second.taskId).toBe(first.taskId);
    const other = await post(app, { goal: "twice", maxSpendNano: credits }, headers);
    expect(other.json().error.code).toBe("idempotency_conflict");
    await runner.drain();
  });
});

describe("the budget", () => {
  it("refuses a task whose worst case is above what it may spend, before anything is signed", async () => {
    const { app } = start();
    const refused = await post(app, { goal: "x", maxSpendNano: "10" });
    expect(refused.statusCode).toBe(402);
    expect(refused.json().error).toMatchObject({ code: "over_budget", param: "maxSpendNano" });
    expect(gateway.seen).toHaveLength(0);
    expect(await spentToday()).toBe(0n);
  });

  it("admits exactly as many concurrent tasks as the day's cap covers", async () => {
    const first = start();
    const { taskId } = (await post(first.app, { goal: "x", maxSpendNano: credits })).json();
    await first.runner.drain();
    const trail = await get(first.app, `${taskId}/audit`);
    const reserved = trail.records.find((record: { kind: string }) => record.kind === "reserved");
    const ceilingNano = BigInt(reserved.body.amountNano);
    await pool.query("DELETE FROM day_budgets");

    const { app, runner } = start({ maxSpendNanoPerDay: (ceilingNano * 3n + 1n).toString() });
    // The tasks are held up at the quote, so that none gives anything back before all have been decided.
    let letGo = () => {};
    const gate = new Promise<void>((resolve) => {
      letGo = resolve;
    });
    const quote = client.quote;
    client.quote = async (...given) => {
      await gate;
      return quote(...given);
    };
    const answers = [];
    try {
      for (let index = 0; index < 4; index += 1)
        answers.push(post(app, { goal: "x", maxSpendNano: credits }));
      const codes = (await Promise.all(answers)).map(({ statusCode }) => statusCode);
      expect(codes.toSorted()).toEqual([202, 202, 202, 402]);
    } finally {
      letGo();
      await runner.drain();
      client.quote = quote;
    }
    expect(await spentToday()).toBeLessThan(ceilingNano * 3n);
  });
});

describe("after a restart", () => {
  it("an abandoned task is failed_resumable, its job closed and its budget settled", async () => {
    const { app, context } = start();
    // The process is taken to have ended in the middle of the first call.
    let abandoned = () => {};
    const reached = new Promise<void>((resolve) => {
      abandoned = resolve;
    });
    gateway.echo = () => {
      abandoned();
      throw new ProtocolError("provider_error");
    };
    const silent: Client = { ...client, close: () => new Promise(() => {}) };
    const dying = start({}, { client: silent });
    const { taskId } = (await post(dying.app, { goal: "x", maxSpendNano: credits })).json();
    await reached;
    await expect.poll(async () => (await get(app, taskId)).jobId).not.toBeNull();
    expect((await get(app, taskId)).status).toBe("running");
    expect(await spentToday()).toBeGreaterThan(0n);

    // A client of its own, because a new process starts with no token and no key.
    const fresh = createClient({
      gatewayUrl: gateway.url,
      ca: gateway.ca,
      deployment: testDeployment,
      tenant: privateKeyToAccount(testTenantKey),
    });
    try {
      expect(await recoverTasks({ ...context, client: fresh })).toEqual({ recovered: 1, unclosed: 0 });
    } finally {
      await fresh.shutdown();
    }
    const task = await get(app, taskId);
    expect(task).toMatchObject({ status: "failed_resumable", spentNano: "0", reservedNano: "0" });
    expect(gateway.jobs.all.get(task.jobId)?.status).toBe("closed");
    expect(await spentToday()).toBe(0n);
    expect(await recoverTasks(context)).toEqual({ recovered: 0, unclosed: 0 });
    expect((await get(app, `${taskId}/audit`)).isIntact).toBe(true);
  });
});

describe("what a task leaves undone", () => {
  it("a late settlement is recorded by itself, once, also by a process that knows only the store", async () => {
    const { app, context, runner } = start({}, { settlementTimeoutMs: 0 });
    const { taskId } = (await post(app, { goal: "late", maxSpendNano: credits })).json();
    await expect.poll(async () => (await get(app, taskId)).jobId).not.toBeNull();
    const { jobId } = await get(app, taskId);
    const state = gateway.jobs.all.get(jobId);
    if (state !== undefined) state.pollsUntilSettled = 4;
    await runner.drain();
    expect((await get(app, taskId)).status).toBe("completed");

    const fresh = createClient({
      gatewayUrl: gateway.url,
      ca: gateway.ca,
      deployment: testDeployment,
      tenant: privateKeyToAccount(testTenantKey),
    });
    const follower = followTasks({ ...context, client: fresh }, { isRunning: () => false, everyMs: 20 });
    try {
      await expect.poll(async () => (await get(app, taskId)).status, { timeout: 5_000 }).toBe("settled");
      await follower.sweep();
    } finally {
      await follower.stop();
      await fresh.shutdown();
    }
    const trail = await get(app, `${taskId}/audit`);
    expect(trail.isIntact).toBe(true);
    expect(trail.records.filter(({ kind }: { kind: string }) => kind === "settled")).toHaveLength(1);
  });

  it("a job that could not be closed is closed later, and the budget gets back what was not spent", async () => {
    const down: Client = { ...client, close: () => Promise.reject(new ProtocolError("store_unavailable")) };
    const { app, context, runner } = start({}, { client: down });
    gateway.echo = () => {
      throw new ProtocolError("provider_error");
    };
    const { taskId } = (await post(app, { goal: "x", maxSpendNano: credits })).json();
    await runner.drain();
    expect((await get(app, taskId)).status).toBe("failed_resumable");
    expect(await spentToday()).toBeGreaterThan(0n);
    const follower = followTasks({ ...context, client }, { isRunning: () => false, everyMs: 60_000 });
    await follower.stop();
    const task = await get(app, taskId);
    expect(gateway.jobs.all.get(task.jobId)?.status).toBe("closed");
    expect(await spentToday()).toBe(0n);
  });
});

describe("the API", () => {
  it("needs the token", async () => {
    const { app } = start();
    for (const given of ["Bearer wrong", API_TOKEN, undefined]) {
      const headers = given === undefined ? {} : { authorization: given };
      const answer = await app.inject({ method: "POST", url: "/v1/tasks", headers, payload: {} });
      expect(answer.statusCode).toBe(401);
    }
  });

  it("names the wrong field, and unknown tasks", async () => {
    const { app } = start();
    expect((await post(app, { goal: "x" })).json().error).toMatchObject({ code: "invalid_request" });
    const unknown = await get(app, "00000000-0000-0000-0000-000000000000");
    expect(unknown.error).toMatchObject({ code: "unknown_task" });
  });

  it("says when the tariffs cannot be read", async () => {
    const { app } = start({}, { fetchTariffs: () => Promise.reject(new ProtocolError("store_unavailable")) });
    const refused = await post(app, { goal: "x", maxSpendNano: credits });
    expect(refused.statusCode).toBe(503);
    expect((await app.inject("/healthz")).statusCode).toBe(503);
    expect((await app.inject("/livez")).statusCode).toBe(200);
  });

  it("keeps the trail from being rewritten", async () => {
    await expect(pool.query("UPDATE audit_records SET body = '{}'")).rejects.toThrow(/append-only/);
    await expect(pool.query("DELETE FROM audit_records")).rejects.toThrow(/append-only/);
  });
});
