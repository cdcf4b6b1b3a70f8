import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type App, createLogger, createMetrics } from "@tac/kit";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { buildApp } from "./app.ts";
import { openCeremony } from "./dkg/openCeremony.ts";
import { ceremonyIdOf, type Plan } from "./dkg/Plan.ts";
import { type AggregatorSet, membershipHash } from "./keys/AggregatorSet.ts";
import { KeyRing } from "./keys/KeyRing.ts";
import { generateNodeKey } from "./keys/NodeKey.ts";
import { bookOf } from "./keys/SetBook.ts";
import { createShareSeal } from "./keys/ShareSeal.ts";
import { createRuntime, type Runtime, Waiting } from "./Runtime.ts";

let folder: string;
let app: App;
let runtime: Runtime;
let plan: Plan;

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
  const keyFile = join(folder, "share");
  const seal = createShareSeal({ kind: "key-file", text: "5e".repeat(32) });
  const ring = new KeyRing(keyFile, seal);
  const book = bookOf(() => [set]);
  const membership = membershipHash(set);
  plan = { kind: "generate", laneId: 0, keyEpoch: 1, attempt: 1, membership, from: null };
  const logger = createLogger({ service: "test", level: "silent" });
  runtime = createRuntime({
    logger,
    pollMs: 10,
    start: async () => {
      throw new Waiting("WaitingForKey");
    },
  });
  app = buildApp({
    book,
    replica: 1,
    ceremony: openCeremony({ nodeKey, book, ring, seal, keyFile, onReady: () => {} }),
    runtime,
    ring,
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
    const round1 = await app.inject({ method: "POST", url: "/v1/peer/dkg/round1", payload: { plan } });
    expect(round1.json()).toMatchObject({ from: 1, ceremonyId: ceremonyIdOf(plan) });
    expect((await app.inject("/v1/peer/dkg")).json()).toMatchObject({
      replica: 1,
      progress: { stage: "dealt" },
    });
    const possession = { plan, confirmations: [] };
    const early = await app.inject({ method: "POST", url: "/v1/peer/dkg/possession", payload: possession });
    expect([early.statusCode, early.json().code]).toEqual([400, "invalid_request"]);
  });

  test("refuses identifiers that are not in their one spelling", async () => {
    for (const url of ["/v1/batches/01", "/v1/batches/-1", `/v1/receipts/0x${"AB".repeat(32)}`])
      expect((await app.inject(url)).statusCode).toBe(400);
  });
});
