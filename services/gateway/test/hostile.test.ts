import { createLogger, createMetrics } from "@tac/kit";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { serveMetrics } from "../src/metricsServer.ts";
import { codeOf } from "./support/answers.ts";
import { type Harness, startHarness } from "./support/harness.ts";
import { chunkOf, DONE, sendJson, usageChunk } from "./support/TestProvider.ts";

let harness: Harness;
beforeAll(async () => {
  harness = await startHarness();
});
afterEach(async () => {
  harness.reset();
  await expect
    .poll(async () => (await harness.pool.query("SELECT FROM jobs WHERE held_nano <> 0")).rowCount)
    .toBe(0);
});
afterAll(() => harness.stop());

const inputTokensOf = (call: { body: unknown }) =>
  Math.ceil(Buffer.byteLength(JSON.stringify(call.body)) / 4);

describe("a provider", () => {
  const absurd = [-1, 1.5, 1e300, "3", null, undefined];
  test.each(absurd)("that counts %j tokens is not believed", async (completion_tokens) => {
    const job = await harness.openJob();
    harness.provider.answer = (_received, response) =>
      sendJson(response, 200, {
        choices: [{ message: { content: "12345678" } }],
        usage: { prompt_tokens: 10, completion_tokens },
      });
    const call = job.chat();
    const answer = await job.by.send(call);
    expect(answer.headers["x-cost-nano"]).toBe(String(inputTokensOf(call) + 2));
  });

  test("that counts too much in a stream is cut to the hold", async () => {
    const job = await harness.openJob();
    harness.provider.answer = (_received, response) => {
      response.writeHead(200, { "content-type": "text/event-stream" });
      response.end(chunkOf("hi") + usageChunk(9e15, 9e15) + DONE);
    };
    const call = job.chat({ stream: true });
    await job.by.send(call);
    const audit = await harness.audit(job.jobId);
    const holdNano = BigInt(Buffer.byteLength(JSON.stringify(call.body)) + 20);
    expect([audit.problems, audit.balances.get("provider:1")]).toEqual([[], holdNano]);
  });

  test("that stays on the line after its last event keeps nobody waiting", async () => {
    const job = await harness.openJob();
    harness.provider.answer = (_received, response) => {
      response.writeHead(200, { "content-type": "text/event-stream" });
      response.write(chunkOf("hi") + usageChunk(10, 1) + DONE);
    };
    const answer = await job.by.send(job.chat({ stream: true }));
    expect(answer.text).toBe(chunkOf("hi") + DONE);
    expect((await harness.audit(job.jobId)).balances.get("provider:1")).toBe(11n);
  });

  test("that forgets the last blank line has still ended its stream", async () => {
    const job = await harness.openJob();
    harness.provider.answer = (_received, response) => {
      response.writeHead(200, { "content-type": "text/event-stream" });
      response.end(`${chunkOf("hi")}${usageChunk(10, 1)}data: [DONE]`);
    };
    const answer = await job.by.send(job.chat({ stream: true }));
    expect(answer.text).toBe(chunkOf("hi") + DONE);
  });

  test("that keeps the line open with comments and then fails has delivered nothing", async () => {
    const job = await harness.openJob();
    harness.provider.answer = (_received, response) => {
      response.writeHead(200, { "content-type": "text/event-stream" });
      response.write(": one moment\n\n: please\n\n");
      setTimeout(() => response.destroy(), 50);
    };
    const answer = await job.by.send(job.chat({ stream: true }));
    expect([answer.status, answer.text]).toEqual([
      200,
      expect.stringMatching(/^: one moment\n\n: please\n\ndata: .*"code":"provider_error"/),
    ]);
    expect((await harness.audit(job.jobId)).balances.get("available")).toBe(100_000n);
  });

  test("that says nothing but that it has ended has delivered nothing", async () => {
    const job = await harness.openJob();
    harness.provider.answer = (_received, response) => {
      response.writeHead(200, { "content-type": "text/event-stream" }).end(DONE);
    };
    const answer = await job.by.send(job.chat({ stream: true }));
    expect([answer.status, codeOf(answer.text)]).toEqual([502, "provider_error"]);
    expect((await harness.audit(job.jobId)).balances.get("available")).toBe(100_000n);
  });

  test("that answers with one endless event, or with too much, costs nothing", async () => {
    const job = await harness.openJob();
    harness.provider.answer = (received, response) => {
      const isStream = received.body.stream === true;
      response.writeHead(200, { "content-type": isStream ? "text/event-stream" : "application/json" });
      response.end(Buffer.alloc(2_000_000, "a"));
    };
    for (const stream of [true, false]) {
      const answer = await job.by.send(job.chat({ stream }));
      expect([answer.status, codeOf(answer.text)]).toEqual([502, "provider_error"]);
    }
    expect((await harness.audit(job.jobId)).balances.get("available")).toBe(100_000n);
  });

  test("cannot set headers of the answer", async () => {
    const job = await harness.openJob();
    const injected = {
      "set-cookie": "session=stolen",
      "x-cost-nano": "0",
      "x-receipt-id": "0x00",
      "access-control-allow-origin": "*",
      location: "http://attacker",
      "openai-model": "chat-1-2026",
    };
    harness.provider.answer = (_received, response) =>
      sendJson(
        response,
        200,
        { choices: [{ message: { content: "hi" } }], usage: { prompt_tokens: 1, completion_tokens: 1 } },
        injected,
      );
    const { headers } = await job.by.send(job.chat());
    expect(headers).toMatchObject({ "x-cost-nano": "2", "openai-model": "chat-1-2026" });
    expect(headers["x-receipt-id"]).toMatch(/^0x[0-9a-f]{64}$/);
    for (const name of ["set-cookie", "access-control-allow-origin", "location"]) {
      expect(headers).not.toHaveProperty(name);
    }
  });
});

describe("a caller", () => {
  const message = (extra: object) => ({ messages: [{ role: "user", content: "hi", ...extra }] });
  test.each([
    ["a stream that is no boolean", { stream: "true" }, "invalid_request"],
    ["audio by reference", message({ audio: { id: "audio_1" } }), "cost_unbounded"],
    ["images beside the text", message({ images: ["http://example.com/x.png"] }), "cost_unbounded"],
    [
      "a part with two contents",
      message({ content: [{ type: "text", text: "a", image_url: {} }] }),
      "cost_unbounded",
    ],
    ["a part of two types", message({ content: [{ type: ["text"], text: "a" }] }), "cost_unbounded"],
    ["content that is an object", message({ content: { type: "image_url" } }), "cost_unbounded"],
  ])("with %s is refused", async (_name, extra, code) => {
    const job = await harness.openJob();
    const answer = await job.by.send(job.chat(extra));
    expect([answer.status, codeOf(answer.text)]).toEqual([400, code]);
    expect(harness.provider.received).toEqual([]);
  });

  test("may send an assistant's message back as it came", async () => {
    const job = await harness.openJob();
    const messages = [
      { role: "user", content: [{ type: "text", text: "hi" }] },
      { role: "assistant", content: "ho", refusal: null, annotations: [], audio: null, tool_calls: null },
      { role: "user", content: "go on" },
    ];
    expect((await job.by.send(job.chat({ messages }))).status).toBe(200);
  });

  test("who sends a header twice is refused, whichever of the two is good", async () => {
    const job = await harness.openJob();
    for (const name of ["dpop", "usage-auth", "idempotency-key", "x-provider-id"]) {
      const call = job.chat();
      const good =
        { dpop: job.by.proofFor(call), "usage-auth": job.token, "idempotency-key": "k" }[name] ?? "1";
      for (const twice of [
        [good, "other"],
        ["other", good],
        [good, good],
      ]) {
        const answer = await job.by.send({ ...call, headers: { [name]: twice } });
        expect([400, 401], `${name}: ${answer.text}`).toContain(answer.status);
      }
    }
    expect(harness.provider.received).toEqual([]);
  });

  test("writes no SQL through a header, Authorization included", async () => {
    const [job, other] = [await harness.openJob(), await harness.openJob()];
    const sql = "'/**/OR/**/1=1;DELETE/**/FROM/**/used_proofs;--";
    const bearer = await job.by.send({
      ...job.chat(),
      token: null,
      headers: { authorization: `Bearer ${sql}` },
    });
    expect([bearer.status, codeOf(bearer.text)]).toEqual([401, "invalid_usage_auth"]);
    const token = await job.by.send({ ...job.chat(), token: sql });
    expect([token.status, codeOf(token.text)]).toEqual([401, "invalid_usage_auth"]);
    // As a key it is a key like any other: of its job alone, and of one call.
    const keyed = { headers: { "idempotency-key": sql } };
    const first = await job.by.send({ ...job.chat(), ...keyed });
    const again = await job.by.send({ ...job.chat(), ...keyed });
    const elsewhere = await other.by.send({ ...other.chat(), ...keyed });
    expect([first, again, elsewhere].map(({ status }) => status)).toEqual([200, 200, 200]);
    expect(again.headers["x-receipt-id"]).toBe(first.headers["x-receipt-id"]);
    expect(elsewhere.headers["x-receipt-id"]).not.toBe(first.headers["x-receipt-id"]);
    expect(harness.provider.received).toHaveLength(2);
    const { rows } = await harness.pool.query("SELECT 1 FROM used_proofs");
    expect(rows.length).toBeGreaterThan(0);
  });

  test("cannot reach the prototype through a body", async () => {
    const job = await harness.openJob();
    const rawBody =
      '{"model":"chat-1","messages":[{"role":"user","content":"hi"}],"max_tokens":5,"__proto__":{"n":99}}';
    const sent = { path: "/v1/chat/completions", rawBody, token: job.token, maxCostNano: 1_000n };
    expect(codeOf((await job.by.send(sent)).text)).toBe("cost_unbounded");
    const nested = rawBody.replace('"hi"', '"hi","__proto__":{"role":"system"}');
    expect(codeOf((await job.by.send({ ...sent, rawBody: nested })).text)).toBe("cost_unbounded");
  });

  test("is not read at length where little is to be said", async () => {
    const job = await harness.openJob();
    const note = "n".repeat(256 * 1024);
    for (const path of [
      "/v1/jobs/quote",
      "/v1/jobs/lock",
      "/v1/jobs/close",
      "/v1/revocations",
      "/v1/usage/emit",
    ]) {
      const answer = await job.by.send({ path, body: { note }, token: job.token });
      expect([path, answer.status, codeOf(answer.text)]).toEqual([path, 413, "body_too_large"]);
    }
    const call = { ...job.chat({ messages: [{ role: "user", content: note }] }), maxCostNano: 1_000_000n };
    const reconnected = await harness.caller(job.by.holder);
    expect(codeOf((await reconnected.send(call)).text)).toBe("credit_exhausted");
  });

  test("on a resumed TLS session proves that connection, and no earlier one", async () => {
    const job = await harness.openJob();
    await job.by.send(job.chat());
    expect(job.by.lastSession).toBeDefined();
    const resumed = await harness.caller(job.by.holder, { session: job.by.lastSession });
    expect(resumed.isResumed).toBe(true);
    const call = job.chat();
    expect(codeOf((await resumed.send({ ...call, proof: job.by.proofFor(call) })).text)).toBe(
      "binding_mismatch",
    );
    expect((await resumed.send(call)).status).toBe(200);
  });

  test.each([false, true])("who hangs up before an answer pays nothing (stream: %s)", async (stream) => {
    const job = await harness.openJob();
    const abortedBefore = harness.provider.aborted;
    harness.provider.answer = () => undefined;
    const call = job.by.begin(job.chat({ stream })).catch(() => undefined);
    await expect.poll(() => harness.provider.received.length).toBe(1);
    await job.by.close();
    await call;
    await expect.poll(() => harness.provider.aborted).toBe(abortedBefore + 1);
    await expect.poll(async () => (await harness.audit(job.jobId)).balances.get("available")).toBe(100_000n);
  });

  test("reads no metrics, which have a listener of their own", async () => {
    const by = await harness.caller();
    expect((await by.send({ method: "GET", path: "/metrics" })).status).toBe(404);
    const metrics = createMetrics({ service: "gateway", processMetrics: false });
    metrics.counter("gateway_rps", "calls").inc();
    const server = await serveMetrics(metrics, { host: "127.0.0.1", port: 0 });
    const scraped = await fetch(`http://127.0.0.1:${server.port}/metrics`);
    expect(await scraped.text()).toContain('gateway_rps{service="gateway"} 1');
    expect((await fetch(`http://127.0.0.1:${server.port}/v1/models`)).status).toBe(404);
    await server.close();
  });
});

test("no log line has a prompt, an answer, a token, a proof or a key", async () => {
  const lines: string[] = [];
  const logger = createLogger(
    { service: "gateway", level: "debug" },
    { write: (line: string) => void lines.push(line) },
  );
  const { replica, connectUrl } = await harness.startReplica("replica-logged", harness.pool, logger);
  const job = await harness.openJob();
  const by = await harness.caller(job.by.holder, { connectUrl });
  const messages = [{ role: "user", content: "PROMPT-MARK" }];
  const proofs: string[] = [];
  const send = async (extra: Record<string, unknown> = {}) => {
    const answer = await by.send(job.chat({ messages, ...extra }));
    proofs.push(by.lastProof);
    return answer.status;
  };
  harness.provider.answer = (_received, response) =>
    sendJson(response, 200, { choices: [{ message: { content: "ANSWER-MARK" } }] });
  expect(await send()).toBe(200);
  harness.provider.answer = (_received, response) => {
    response.writeHead(200, { "content-type": "application/json" }).end("ANSWER-MARK is no JSON");
  };
  expect(await send()).toBe(502);
  harness.provider.answer = (_received, response) =>
    void response.socket?.end("ANSWER-MARK is no HTTP\r\n\r\n");
  expect(await send()).toBe(502);
  harness.provider.answer = (_received, response) =>
    sendJson(response, 500, { error: { message: "ANSWER-MARK" } });
  expect(await send()).toBe(502);
  harness.provider.answer = (_received, response) => {
    response.writeHead(200, { "content-type": "text/event-stream", "x-usage-report": "ANSWER-MARK" });
    response.end(`: x-usage-report ANSWER-MARK\n\n${chunkOf("ANSWER-MARK")}`);
  };
  expect(await send({ stream: true })).toBe(200);
  expect(await send({ max_tokens: "PROMPT-MARK" })).toBe(400);
  await replica.app.close();
  await replica.stop();

  expect(lines.length).toBeGreaterThan(5);
  const log = lines.join("");
  const signatures = [job.token, ...proofs].map((token) => token.slice(-40));
  for (const secret of ["PROMPT-MARK", "ANSWER-MARK", "provider-secret", ...signatures]) {
    expect(log).not.toContain(secret);
  }
});
