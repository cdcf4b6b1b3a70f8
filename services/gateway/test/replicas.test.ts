import { connect, createServer, type Socket } from "node:net";
import { createPool } from "@tac/kit";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { Gateway } from "../src/createGateway.ts";
import { codeOf } from "./support/answers.ts";
import { feedOf } from "./support/feedOf.ts";
import { type Harness, startHarness } from "./support/harness.ts";
import { listen } from "./support/listen.ts";
import { answerUsual, chunkOf } from "./support/TestProvider.ts";

let harness: Harness;
let replica: Gateway;
let connectUrl: string;
beforeAll(async () => {
  harness = await startHarness({ upstreamTimeoutMs: 20_000, chainMaxAgeMs: 20_000 });
  ({ replica, connectUrl } = await harness.startReplica("replica-2"));
});
afterEach(() => harness.reset());
afterAll(async () => {
  await replica.app.close();
  await replica.stop();
  await harness.stop();
});

describe("two replicas over one store", () => {
  test("admit exactly what the balance covers", async () => {
    const holdNano = BigInt(Buffer.byteLength(JSON.stringify((await harness.openJob()).chat().body)) + 20);
    const job = await harness.openJob({ maxSpendNano: holdNano * 5n });
    let letGo = () => {};
    const gate = new Promise<void>((resolve) => {
      letGo = resolve;
    });
    harness.provider.answer = async (received, response) => {
      await gate;
      await answerUsual(received, response);
    };
    const callers = await Promise.all(
      Array.from({ length: 60 }, (_, index) =>
        harness.caller(job.by.holder, index % 2 === 0 ? {} : { connectUrl }),
      ),
    );
    const refused: string[] = [];
    let answered = 0;
    await Promise.all(
      callers.map(async (by) => {
        const answer = await by.send(job.chat());
        if (answer.status === 200) answered += 1;
        else refused.push(codeOf(answer.text));
        if (refused.length === 55) letGo();
      }),
    );
    expect(answered).toBe(5);
    expect(new Set(refused)).toEqual(new Set(["credit_exhausted"]));
    expect(harness.provider.received).toHaveLength(5);
    expect((await harness.audit(job.jobId)).problems).toEqual([]);
    expect((await feedOf(harness.pool, job.jobId)).filter(({ kind }) => kind === "usage")).toHaveLength(5);
  });

  test("accept a proof once between them", async () => {
    const job = await harness.openJob({ binding: 2 });
    const other = await harness.caller(job.by.holder, { connectUrl });
    const call = job.chat();
    const proof = job.by.proofFor(call);
    const answers = await Promise.all([job.by, other].map((by) => by.send({ ...call, proof })));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 401]);
    expect(answers.flatMap(({ status, text }) => (status === 401 ? [codeOf(text)] : []))).toEqual([
      "proof_replayed",
    ]);
    expect(harness.provider.received).toHaveLength(1);
  });

  test("give one answer and one charge for one idempotency key", async () => {
    const job = await harness.openJob();
    const other = await harness.caller(job.by.holder, { connectUrl });
    const call = { ...job.chat(), headers: { "idempotency-key": "shared" } };
    const [first, second] = await Promise.all([job.by.send(call), other.send(call)]);
    expect([first.status, second.status]).toEqual([200, 200]);
    expect(second.headers["x-receipt-id"]).toBe(first.headers["x-receipt-id"]);
    expect(harness.provider.received).toHaveLength(1);
    expect((await harness.audit(job.jobId)).balances.get("provider:1")).toBe(13n);
  });
});

test("a gateway whose store is gone refuses calls and forwards nothing", async () => {
  const sockets = new Set<Socket>();
  const store = new URL(harness.databaseUrl);
  const proxy = createServer((socket) => {
    const upstream = connect(Number(store.port), store.hostname);
    for (const [one, two] of [
      [socket, upstream],
      [upstream, socket],
    ] as const) {
      sockets.add(one);
      one.on("error", () => two.destroy()).on("close", () => two.destroy());
      one.pipe(two);
    }
  });
  const proxied = new URL(harness.databaseUrl);
  proxied.hostname = "127.0.0.1";
  proxied.port = String(await listen(proxy));
  const pool = createPool({ url: proxied.href, onIdleError: () => undefined });
  const third = await harness.startReplica("replica-3", pool);
  const job = await harness.openJob();
  const by = await harness.caller(job.by.holder, { connectUrl: third.connectUrl });
  expect((await by.send(job.chat())).status).toBe(200);
  harness.provider.received.length = 0;

  proxy.close();
  for (const socket of sockets) socket.destroy();
  const answer = await by.send(job.chat());
  expect([answer.status, codeOf(answer.text)], answer.text).toEqual([503, "store_unavailable"]);
  expect(answer.headers["retry-after"]).toBe("1");
  expect(harness.provider.received).toEqual([]);
  await third.replica.app.close();
  await third.replica.stop().catch(() => undefined);
  await pool.end();
});

test("a closing gateway ends its streams with what was delivered", async () => {
  const fourth = await harness.startReplica("replica-4");
  const job = await harness.openJob();
  const by = await harness.caller(job.by.holder, { connectUrl: fourth.connectUrl });
  harness.provider.answer = (_received, response) => {
    response.writeHead(200, { "content-type": "text/event-stream" }).write(chunkOf("12345678"));
  };
  const call = job.chat({ stream: true });
  const { body } = await by.begin(call);
  const text = body.text();
  const closed = fourth.replica.app.close();
  expect(await text).toContain('"code":"provider_timeout"');
  await closed;
  await fourth.replica.stop();
  const inputTokens = Math.ceil(Buffer.byteLength(JSON.stringify(call.body)) / 4);
  const audit = await harness.audit(job.jobId);
  expect(audit.problems).toEqual([]);
  expect(audit.balances.get("provider:1")).toBe(BigInt(inputTokens + 2));
  expect(audit.balances.get("held")).toBe(0n);
});
