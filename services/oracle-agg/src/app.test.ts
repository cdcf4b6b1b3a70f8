import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type App, createLogger, createMetrics } from "@tac/kit";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { buildApp } from "./app.ts";
import { Ceremony } from "./dkg/Ceremony.ts";
import type { AggregatorSet } from "./keys/AggregatorSet.ts";
import { readKeyShare } from "./keys/KeyShare.ts";
import { generateNodeKey } from "./keys/NodeKey.ts";
import { createRuntime, type Runtime, Waiting } from "./Runtime.ts";

let folder: string;
let app: App;
let runtime: Runtime;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "tac-app-"));
  const nodeKeys = [1, 2, 3].map(() => generateNodeKey());
  const set: AggregatorSet = {
    laneId: 0,
    threshold: 2,
    replicas: nodeKeys.map(({ nodePublicKey, encryptionPublicKey }, index) => ({
      id: index + 1,
      url: "http://127.0.0.1:1",
      nodePublicKey,
      encryptionPublicKey,
    })),
  };
  const [nodeKey] = nodeKeys;
  if (nodeKey === undefined) throw new Error("no node key");
  const keyFile = join(folder, "share.json");
  const logger = createLogger({ service: "test", level: "silent" });
  runtime = createRuntime({
    logger,
    pollMs: 10,
    start: async () => {
      throw new Waiting("WaitingForKey");
    },
  });
  app = buildApp({
    set,
    replica: 1,
    ceremony: new Ceremony({ set, replica: 1, nodeKey, keyFile, onReady: () => {} }),
    runtime,
    readKey: () => readKeyShare(keyFile),
    logger,
    metrics: createMetrics({ service: "test", processMetrics: false }),
  });
});

afterEach(async () => {
  await app.close();
  await runtime.stop();
  rmSync(folder, { recursive: true, force: true });
});

describe("a replica without a key", () => {
  test("lives, and its health says what it waits for", async () => {
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect((await app.inject("/livez")).statusCode).toBe(200);
    const health = await app.inject("/healthz");
    expect(health.statusCode).toBe(503);
    expect(health.json().checks.replica.problem).toBe("WaitingForKey");
    expect((await app.inject("/v1/status")).json()).toMatchObject({ state: "WaitingForKey", hasKey: false });
  });

  test("answers 503 where it needs a store, as a problem that is worth another try", async () => {
    for (const url of ["/v1/key", "/v1/rejections", "/v1/batches/1", `/v1/receipts/0x${"ab".repeat(32)}`]) {
      const answer = await app.inject(url);
      expect(answer.statusCode).toBe(503);
      expect(answer.headers["content-type"]).toContain("application/problem+json");
      expect(answer.json().retryable).toBe(true);
    }
  });

  test("serves the ceremony, and refuses steps out of order", async () => {
    const round1 = await app.inject({ method: "POST", url: "/v1/peer/dkg/round1", payload: { attempt: 1 } });
    expect(round1.json()).toMatchObject({ from: 1 });
    expect((await app.inject("/v1/peer/dkg")).json()).toEqual({ replica: 1, attempt: 1, stage: "round1" });
    const possession = { attempt: 1, confirmations: [] };
    const early = await app.inject({ method: "POST", url: "/v1/peer/dkg/possession", payload: possession });
    expect([early.statusCode, early.json().code]).toEqual([400, "invalid_request"]);
  });

  test("refuses identifiers that are not in their one spelling", async () => {
    for (const url of ["/v1/batches/01", "/v1/batches/-1", `/v1/receipts/0x${"AB".repeat(32)}`])
      expect((await app.inject(url)).statusCode).toBe(400);
  });
});
