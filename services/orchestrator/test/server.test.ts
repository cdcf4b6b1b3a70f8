import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort, startTestDatabase, type TestDatabase } from "@tac/kit/testing";
import { Deployment, Nano, Tariff } from "@tac/protocol";
import {
  startTestGateway,
  type TestGateway,
  testDeployment,
  testModels,
  testTenantKey,
  toTariffs,
} from "@tac/sdk/testing";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";

const taskSchema = z.object({ taskId: z.string(), status: z.string() });
const API_TOKEN = "a-token-of-the-orchestrator";
const headers = { authorization: `Bearer ${API_TOKEN}`, "content-type": "application/json" };

let database: TestDatabase;
let gateway: TestGateway;
let tariffService: Server;
let folder: string;
let service: ChildProcess;
let url: string;
let output = "";

beforeAll(async () => {
  database = await startTestDatabase();
  gateway = await startTestGateway();
  const tariffs = toTariffs(testModels).map((tariff) => ({
    tariff: Tariff.toJson(tariff),
    tariffHash: Tariff.hash(tariff),
  }));
  tariffService = createServer((_request, reply) => reply.end(JSON.stringify({ tariffs })));
  tariffService.listen(0, "127.0.0.1");
  await once(tariffService, "listening");
  folder = await mkdtemp(join(tmpdir(), "tac-orchestrator-"));
  await writeFile(join(folder, "ca.pem"), gateway.ca);
  await writeFile(join(folder, "addresses.json"), JSON.stringify(Deployment.toJson(testDeployment)));
  await writeFile(join(folder, "policy.json"), JSON.stringify({ models: ["chat-small", "embed-small"] }));
  const port = await freePort();
  url = `http://127.0.0.1:${port}`;
  service = spawn(process.execPath, ["--import", "tsx", "src/server.ts"], {
    cwd: join(import.meta.dirname, ".."),
    env: {
      PATH: process.env.PATH,
      PORT: String(port),
      DATABASE_URL: database.url,
      GATEWAY_URL: gateway.url,
      GATEWAY_CA_FILE: join(folder, "ca.pem"),
      TARIFF_URL: `http://127.0.0.1:${(tariffService.address() as AddressInfo).port}`,
      DEPLOYMENT_FILE: join(folder, "addresses.json"),
      TENANT_PRIVATE_KEY: testTenantKey,
      POLICY_FILE: join(folder, "policy.json"),
      API_TOKEN,
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  for (const stream of [service.stdout, service.stderr]) {
    stream?.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
  }
});

afterAll(async () => {
  if (service?.exitCode === null) service.kill("SIGKILL");
  tariffService?.close();
  await gateway?.close();
  await database?.stop();
  if (folder) await rm(folder, { recursive: true });
});

async function isHealthy(): Promise<boolean> {
  try {
    return (await fetch(`${url}/healthz`)).ok;
  } catch {
    return false;
  }
}

describe("the service", () => {
  it("starts from its environment, settles a task, and ends on SIGTERM", async () => {
    await expect.poll(isHealthy, { timeout: 40_000, message: output }).toBe(true);
    const body = JSON.stringify({ goal: "hello", maxSpendNano: Nano.toJson(Nano.NANO_PER_CREDIT) });
    const accepted = await fetch(`${url}/v1/tasks`, { method: "POST", headers, body });
    expect(accepted.status).toBe(202);
    const { taskId } = taskSchema.parse(await accepted.json());
    const read = async () => {
      const answer = await fetch(`${url}/v1/tasks/${taskId}`, { headers });
      return taskSchema.parse(await answer.json()).status;
    };
    await expect.poll(read, { timeout: 20_000 }).toBe("settled");
    expect(await (await fetch(`${url}/metrics`)).text()).toMatch(/task_ms_count\{[^}]*outcome="ok"[^}]*\} 1/);
    const exited = once(service, "exit");
    service.kill("SIGTERM");
    const [code] = await exited;
    expect(code).toBe(0);
    expect(output).not.toContain(API_TOKEN);
    expect(output).not.toContain(testTenantKey);
  });
});
