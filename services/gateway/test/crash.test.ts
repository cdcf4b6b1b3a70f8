import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { CommitGate } from "./support/CommitGate.ts";
import type { ChildOrder } from "./support/gatewayChild.ts";
import { type Harness, startHarness } from "./support/harness.ts";
import { type Cut, StoreProxy } from "./support/StoreProxy.ts";
import { type Answering, chunkOf } from "./support/TestProvider.ts";

// A gateway process of its own is killed at each step of a call; a proxy before its store, or the provider, holds it
// at that step. Then a new run of the same replica starts, and the caller retries with the same key.
let harness: Harness;
let proxy: StoreProxy;
let storeUrl: string;
let gate: CommitGate;
const children: ChildProcess[] = [];
beforeAll(async () => {
  harness = await startHarness({ upstreamTimeoutMs: 60_000, chainMaxAgeMs: 60_000 }, "none");
  proxy = new StoreProxy(harness.databaseUrl);
  storeUrl = await proxy.start();
  gate = await CommitGate.build(harness.pool);
});
afterEach(() => harness.reset());
afterAll(async () => {
  for (const child of children) child.kill("SIGKILL");
  await proxy.stop();
  gate.remove();
  await harness.stop();
});

const startVictim = async (replicaId: string): Promise<{ child: ChildProcess; connectUrl: string }> => {
  const order: ChildOrder = {
    place: harness.place,
    replicaId,
    storeUrl,
    providerUrl: harness.providerUrl,
  };
  const program = join(import.meta.dirname, "support", "gatewayChild.ts");
  const child = spawn(process.execPath, ["--import", "tsx", program], {
    env: { ...process.env, GATEWAY_ORDER: JSON.stringify(order) },
    stdio: ["ignore", "pipe", "inherit"],
  });
  children.push(child);
  const [line] = (await once(child.stdout, "data")) as [Buffer];
  const connectUrl = line.toString("utf8").trim();
  return { child, connectUrl };
};

const stateOf = async (jobId: string): Promise<string | null> => {
  const { rows } = await harness.pool.query<{ state: string }>(
    "SELECT state FROM calls WHERE job_id = decode($1, 'hex')",
    [jobId.slice(2)],
  );
  return rows[0]?.state ?? null;
};

const patience = { timeout: 60_000 };
const silent: Answering = () => undefined;
const streamThenSilent: Answering = (_received, response) => {
  response.writeHead(200, { "content-type": "text/event-stream" }).write(chunkOf("12345678"));
};

type Step = {
  name: string;
  stream?: boolean;
  cut?: Cut;
  /** The process is killed between the call's hold and its commit, which the store then makes all the same. */
  isBeforeCommit?: boolean;
  answer?: Answering;
  /** The caller has its answer by then. */
  isAnswered?: boolean;
  /** State of the call in the store when the process has been killed. */
  state: string | null;
  recovered: { released: number; captured: number };
  /** Status and cost of the same call, tried again with the same key. */
  retry: { status: number; code?: string };
  /** What the job has paid when all is over. */
  paidNano: (inputTokens: number) => number;
};

const released = { recovered: { released: 1, captured: 0 }, retry: { status: 200 }, paidNano: () => 13 };
const nothing = { released: 0, captured: 0 };
const steps: Step[] = [
  {
    name: "before its hold",
    cut: { statement: "hold_call", lose: "request" },
    state: null,
    recovered: nothing,
    retry: { status: 200 },
    paidNano: () => 13,
  },
  { name: "before its hold's commit", isBeforeCommit: true, state: "held", ...released },
  { name: "after its hold", cut: { statement: "hold_call", lose: "answer" }, state: "held", ...released },
  { name: "while the provider works", answer: silent, state: "held", ...released },
  {
    name: "in a stream, after a checkpoint",
    stream: true,
    answer: streamThenSilent,
    state: "delivered",
    recovered: { released: 0, captured: 1 },
    retry: { status: 409, code: "idempotency_conflict" },
    // Eight bytes of text are two tokens.
    paidNano: (inputTokens) => inputTokens + 2,
  },
  {
    name: "between the answer and its capture",
    cut: { statement: "capture_call", lose: "request" },
    isAnswered: true,
    state: "held",
    ...released,
  },
  {
    name: "after its capture",
    cut: { statement: "capture_call", lose: "answer" },
    isAnswered: true,
    state: "captured",
    recovered: nothing,
    retry: { status: 200 },
    paidNano: () => 13,
  },
];

describe("a gateway that is killed", { timeout: 180_000 }, () => {
  test.each(steps)("$name charges the call once or not at all", async (step) => {
    const replicaId = `victim-${steps.indexOf(step)}`;
    const { child, connectUrl } = await startVictim(replicaId);
    const [earlier, job] = [await harness.openJob(), await harness.openJob()];
    const by = await harness.caller(job.by.holder, { connectUrl });
    // With a first call behind it the gateway knows the feed's head, and captures in one statement.
    const first = await harness.caller(earlier.by.holder, { connectUrl });
    await expect.poll(async () => (await first.send(earlier.chat())).status, patience).toBe(200);
    await expect.poll(() => stateOf(earlier.jobId), patience).toBe("captured");
    const call = {
      ...job.chat({ stream: step.stream ?? false }),
      headers: { "idempotency-key": "crash" },
    };
    if (step.answer) harness.provider.answer = step.answer;
    if (step.cut) proxy.cut(step.cut);
    if (step.isBeforeCommit) await gate.shut();
    const forwarded = harness.provider.received.length;
    const outcome = by.send(call).then(
      () => "answered",
      () => "lost",
    );
    if (step.cut) await expect.poll(() => proxy.hasCut, patience).toBe(true);
    const stateWhenKilled = step.isBeforeCommit ? null : step.state;
    if (step.isBeforeCommit)
      await expect.poll(() => harness.provider.received.length, patience).toBe(forwarded + 1);
    await expect.poll(() => stateOf(job.jobId), patience).toBe(stateWhenKilled);
    const exited = once(child, "exit");
    child.kill("SIGKILL");
    await exited;
    expect(await outcome).toBe(step.isAnswered === true ? "answered" : "lost");
    await gate.reset();
    await expect.poll(() => stateOf(job.jobId), patience).toBe(step.state);
    harness.reset();

    const next = await harness.makeGateway({ replicaId });
    expect(await next.start()).toEqual(step.recovered);
    const again = await harness.caller(job.by.holder);
    const answer = await again.send(call);
    const { error } = JSON.parse(answer.text.startsWith("{") ? answer.text : "{}") as {
      error?: { code: string };
    };
    expect([answer.status, error?.code]).toEqual([step.retry.status, step.retry.code]);
    await next.stop();
    await next.app.close();

    const audit = await harness.audit(job.jobId);
    expect(audit.problems).toEqual([]);
    expect(audit.balances.get("held")).toBe(0n);
    const inputTokens = Math.ceil(Buffer.byteLength(JSON.stringify(call.body)) / 4);
    expect(audit.balances.get("provider:1")).toBe(BigInt(step.paidNano(inputTokens)));
  });
});
