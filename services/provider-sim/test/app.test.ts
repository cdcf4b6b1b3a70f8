import { once } from "node:events";
import { createServer } from "node:http";
import type { App } from "@tac/kit";
import { createLogger } from "@tac/kit";
import { UsageReceipt, UsageReport, Wire } from "@tac/protocol";
import OpenAI from "openai";
import { afterEach, describe, expect, test, vi } from "vitest";
import { createReporter } from "../src/index.ts";
import { apiKey, build, calm, domain, forwarded, guarded, jobId, signer } from "./harness.ts";

const apps: App[] = [];
afterEach(() => Promise.all(apps.splice(0).map((app) => app.close())));

const start = async (changes: Parameters<typeof build>[0] = {}) => {
  const app = build(changes);
  apps.push(app);
  const baseUrl = await app.listen({ host: "127.0.0.1", port: 0 });
  const client = new OpenAI({ apiKey, baseURL: `${baseUrl}/v1`, maxRetries: 0 });
  const post = (path: string, body: object, headers: Record<string, string> = {}, signal?: AbortSignal) =>
    fetch(baseUrl + path, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${apiKey}`, ...headers },
      body: JSON.stringify(body),
      ...(signal === undefined ? {} : { signal }),
    });
  return { app, client, post };
};

const messages = [{ role: "user" as const, content: "Say something about ledgers." }];
const chat = { model: "sim-chat", messages };
type Json = {
  usage: { prompt_tokens: number; completion_tokens: number; prompt_tokens_details?: object };
  data: { embedding: number[] }[];
};
const json = async (answer: Response): Promise<Json> => (await answer.json()) as Json;
const reportIn = (text: string) => {
  const header = /^: x-usage-report (\S+)$/m.exec(text)?.[1];
  return header === undefined ? undefined : UsageReport.fromHeader(header);
};

describe("chat, as the OpenAI client sees it", () => {
  test("answers the same request alike and reports its usage", async () => {
    const { client } = await start();
    const [first, second] = await Promise.all([
      client.chat.completions.create(chat),
      client.chat.completions.create(chat),
    ]);
    const content = first.choices[0]?.message.content ?? "";
    expect(content).toContain("Say something about ledgers.");
    expect(second.choices).toEqual(first.choices);
    expect(first.usage).toMatchObject({
      prompt_tokens: 11,
      total_tokens: 11 + (first.usage?.completion_tokens ?? 0),
    });
  });

  test("a stream brings the same text, and its usage when asked for", async () => {
    const { client } = await start();
    const whole = await client.chat.completions.create(chat);
    const stream = await client.chat.completions.create({
      ...chat,
      stream: true,
      stream_options: { include_usage: true },
    });
    let text = "";
    const usages = [];
    const reasons = [];
    for await (const chunk of stream) {
      text += chunk.choices[0]?.delta.content ?? "";
      if (chunk.choices[0]?.finish_reason) reasons.push(chunk.choices[0].finish_reason);
      if (chunk.usage) usages.push(chunk.usage);
    }
    expect(text).toBe(whole.choices[0]?.message.content);
    expect(reasons).toEqual(["stop"]);
    expect(usages).toEqual([whole.usage]);
  });

  test("without include_usage a stream has no usage chunk", async () => {
    const { post } = await start();
    const text = await (await post("/v1/chat/completions", { ...chat, stream: true })).text();
    expect(text).not.toContain('"usage"');
    expect(text.endsWith("data: [DONE]\n\n")).toBe(true);
  });

  test.each([{ max_tokens: 5 }, { max_completion_tokens: 5 }, { max_tokens: 9, max_completion_tokens: 5 }])(
    "%j is honoured per choice",
    async (bound) => {
      const { client } = await start();
      const answer = await client.chat.completions.create({ ...chat, ...bound, n: 2 });
      expect(answer.choices.map(({ finish_reason }) => finish_reason)).toEqual(["length", "length"]);
      expect(answer.usage?.completion_tokens).toBe(10);
    },
  );

  test("refuses an unknown model, a malformed body and a wrong key in the OpenAI shape", async () => {
    const { client, post } = await start();
    await expect(client.chat.completions.create({ ...chat, model: "gpt" })).rejects.toMatchObject({
      status: 404,
      code: "unknown_model",
    });
    expect(
      await (await post("/v1/chat/completions", { model: "sim-chat", messages: [] })).json(),
    ).toMatchObject({
      error: { code: "invalid_request", param: "messages" },
    });
    const wrong = await post("/v1/chat/completions", chat, { authorization: "Bearer wrong" });
    expect(wrong.status).toBe(401);
    expect((await post("/v1/chat/completions", chat, { authorization: "" })).status).toBe(401);
    expect((await post("/%76%31/chat/completions", chat, { authorization: "" })).status).toBe(401);
  });

  test("lists its models", async () => {
    const { client } = await start();
    expect((await client.models.list()).data.map(({ id }) => id)).toEqual(["sim-chat", "sim-embed"]);
  });
});

describe("embeddings", () => {
  test("are the same for the same text, in either encoding, and of the dimensions asked for", async () => {
    const { client, post } = await start();
    const input = ["one text", "another"];
    const viaBase64 = await client.embeddings.create({ model: "sim-embed", input, dimensions: 8 });
    const asFloats = await json(
      await post("/v1/embeddings", { model: "sim-embed", input, dimensions: 8, encoding_format: "float" }),
    );
    expect(viaBase64.data.map(({ embedding }) => embedding.length)).toEqual([8, 8]);
    for (const [index, { embedding }] of viaBase64.data.entries()) {
      expect(embedding.map((value) => value.toFixed(5))).toEqual(
        asFloats.data[index]?.embedding.map((value: number) => value.toFixed(5)),
      );
    }
    expect(viaBase64.usage).toEqual({ prompt_tokens: 4, total_tokens: 4 });
  });

  test("of token ids count each id", async () => {
    const { post } = await start();
    const answer = await json(await post("/v1/embeddings", { model: "sim-embed", input: [[1, 2, 3], [4]] }));
    expect(answer.data).toHaveLength(2);
    expect(answer.usage.prompt_tokens).toBe(4);
  });
});

describe("misbehaviour", () => {
  test("fails with the status and at the rate configured", async () => {
    const draws = [0.1, 0.9];
    const { post } = await start({
      configured: { ...calm, failureRate: 0.5, failureStatus: 503 },
      random: () => draws.shift() ?? 1,
    });
    expect((await post("/v1/chat/completions", chat)).status).toBe(503);
    expect((await post("/v1/chat/completions", chat)).status).toBe(200);
  });

  test("is steered per call by header, or by metadata, which a gateway passes on", async () => {
    const { post } = await start();
    expect((await post("/v1/chat/completions", chat, { "x-sim-status": "429" })).status).toBe(429);
    expect(
      (await post("/v1/chat/completions", { ...chat, metadata: { "x-sim-status": "502" } })).status,
    ).toBe(502);
    const long = await json(await post("/v1/chat/completions", chat, { "x-sim-output-tokens": "200" }));
    expect(long.usage.completion_tokens).toBe(200);
    const cached = await json(await post("/v1/chat/completions", chat, { "x-sim-cached-tokens": "5" }));
    expect(cached.usage.prompt_tokens_details).toEqual({ cached_tokens: 5 });
  });

  test("a misspelt control is refused, not ignored", async () => {
    const { post } = await start();
    const answer = await post("/v1/chat/completions", chat, { "x-sim-latencyms": "5" });
    expect(answer.status).toBe(400);
  });

  test("waits before the first byte and between tokens", async () => {
    const { post } = await start();
    const startedAt = performance.now();
    await (
      await post(
        "/v1/chat/completions",
        { ...chat, stream: true },
        {
          "x-sim-latency-ms": "80",
          "x-sim-token-latency-ms": "10",
          "x-sim-output-tokens": "10",
        },
      )
    ).text();
    expect(performance.now() - startedAt).toBeGreaterThan(170);
  });

  test("hangs until the client gives up, and can still be closed", async () => {
    const { app, post } = await start();
    const hanging = post("/v1/chat/completions", chat, { "x-sim-hang": "true" }, AbortSignal.timeout(150));
    await expect(hanging).rejects.toThrow("timeout");
    const left = post("/v1/chat/completions", chat, { "x-sim-hang": "true" }).catch(() => "closed");
    await new Promise((wait) => setTimeout(wait, 50));
    await app.close();
    expect(await left).toBe("closed");
  });

  test("breaks a stream where it was told to", async () => {
    const { post } = await start();
    const answer = await post("/v1/chat/completions", { ...chat, stream: true }, { "x-sim-cut-after": "3" });
    await expect(answer.text()).rejects.toThrow();
  });
});

describe("behind a gateway", () => {
  test("countersigns what it counted, in the header of a whole answer", async () => {
    const { post } = await start({ guard: guarded() });
    const headers = forwarded();
    const answer = await post("/v1/chat/completions", chat, { ...headers, "x-sim-cached-tokens": "4" });
    const { usage } = await json(answer);
    const signed = UsageReport.fromHeader(answer.headers.get("x-usage-report") ?? "");
    expect(UsageReport.recover(signed, domain)).toBe(signer);
    expect(signed.report).toEqual({
      receiptId: headers["x-receipt-id"],
      jobId,
      providerId: 1,
      modelHash: UsageReceipt.modelHash("sim-chat"),
      inputTokens: BigInt(usage.prompt_tokens) - 4n,
      cachedInputTokens: 4n,
      outputTokens: BigInt(usage.completion_tokens),
      requests: 1n,
      durationMs: 0n,
    });
  });

  test("countersigns a stream in its last comment, before [DONE]", async () => {
    const { post } = await start({ guard: guarded() });
    const headers = forwarded();
    const answer = await post(
      "/v1/chat/completions",
      { ...chat, stream: true, stream_options: { include_usage: true } },
      headers,
    );
    const text = await answer.text();
    expect(text).toMatch(/\n\n: x-usage-report \S+\n\ndata: \[DONE\]\n\n$/);
    const completionTokens = /"completion_tokens":(\d+)/.exec(text)?.[1] ?? "";
    expect(reportIn(text)?.report).toMatchObject({
      receiptId: headers["x-receipt-id"],
      outputTokens: BigInt(completionTokens),
    });
  });

  test("countersigns embeddings", async () => {
    const { post } = await start({ guard: guarded() });
    const answer = await post("/v1/embeddings", { model: "sim-embed", input: "one text" }, forwarded());
    const signed = UsageReport.fromHeader(answer.headers.get("x-usage-report") ?? "");
    expect(signed.report).toMatchObject({ inputTokens: 2n, outputTokens: 0n });
    expect(UsageReport.recover(signed, domain)).toBe(signer);
  });

  test("countersigns one request of any other API", async () => {
    const { post } = await start({ guard: guarded() });
    const answer = await post("/v1/http/sim-chat", { query: "anything" }, forwarded());
    expect(await answer.json()).toMatchObject({ object: "http.answer", bodyBytes: 20 });
    const signed = UsageReport.fromHeader(answer.headers.get("x-usage-report") ?? "");
    expect(signed.report).toMatchObject({ inputTokens: 0n, outputTokens: 0n, requests: 1n });
  });

  test.each<[string, number, string, () => Record<string, string>]>([
    ["without a grant", 401, "invalid_usage_auth", () => ({})],
    ["with a grant for another provider", 403, "provider_not_allowed", () => forwarded({ providers: [2] })],
    ["with a grant for another model", 403, "model_not_allowed", () => forwarded({ models: ["sim-embed"] })],
    ["for another job", 403, "wrong_job", () => ({ ...forwarded(), "x-job-id": `0x${"45".repeat(32)}` })],
  ])("refuses a call %s", async (_what, status, code, headers) => {
    const { post } = await start({ guard: guarded() });
    const answer = await post("/v1/chat/completions", chat, headers());
    expect(answer.status).toBe(status);
    expect(await answer.json()).toMatchObject({ error: { code } });
  });

  test("refuses a revoked job", async () => {
    const { post } = await start({ guard: guarded(new Set([jobId])) });
    expect((await post("/v1/chat/completions", chat, forwarded())).status).toBe(403);
  });
});

describe("reporting by a call of its own", () => {
  const gateway = async (statuses: number[]) => {
    const taken: unknown[] = [];
    const server = createServer((request, response) => {
      let body = "";
      request.on("data", (chunk) => {
        body += chunk;
      });
      request.on("end", () => {
        const status = statuses.shift() ?? 200;
        if (status === 200 && request.url === "/v1/usage/emit") taken.push(JSON.parse(body));
        response.writeHead(status, { "content-type": "application/json" }).end("{}");
      });
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    const address = server.address();
    if (address === null || typeof address === "string") throw new Error("no port");
    const logger = createLogger({ service: "provider-sim", level: "silent" });
    const reporter = createReporter({ mode: "emit", gatewayUrl: `http://127.0.0.1:${address.port}`, logger });
    const stop = async () => {
      server.close();
    };
    return { taken, reporter, stop };
  };

  test("posts the signed report before the answer ends, again when the gateway falters", async () => {
    const { taken, reporter, stop } = await gateway([503]);
    const { post } = await start({ guard: guarded(), reporter });
    const answer = await post("/v1/chat/completions", chat, forwarded());
    expect(answer.headers.get("x-usage-report")).toBeNull();
    const [document] = taken;
    expect(UsageReport.recover(Wire.parse(UsageReport.schema, document), domain)).toBe(signer);
    await stop();
  });

  test("of a stream whose client left names what was delivered by then", async () => {
    const { taken, reporter, stop } = await gateway([]);
    const { post } = await start({ guard: guarded(), reporter });
    const leaving = new AbortController();
    const headers = { ...forwarded(), "x-sim-token-latency-ms": "20", "x-sim-output-tokens": "500" };
    const answer = await post("/v1/chat/completions", { ...chat, stream: true }, headers, leaving.signal);
    await answer.body?.getReader().read();
    leaving.abort();
    await vi.waitFor(() => expect(taken).toHaveLength(1), 5_000);
    const { report } = Wire.parse(UsageReport.schema, taken[0]);
    expect(report.outputTokens).toBeLessThan(100n);
    await stop();
  });
});
