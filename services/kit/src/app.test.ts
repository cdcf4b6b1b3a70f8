import { Errors } from "@tac/protocol";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { createApp } from "./app.ts";
import { createPool } from "./database.ts";
import { createLogger } from "./logger.ts";
import { createMetrics } from "./metrics.ts";
import { parseBody } from "./protocolErrors.ts";
import { freePort } from "./testing/index.ts";

const build = (overrides: Partial<Parameters<typeof createApp>[0]> = {}) => {
  const lines: string[] = [];
  const app = createApp({
    service: "test",
    logger: createLogger({ service: "test", level: "debug" }, { write: (line) => void lines.push(line) }),
    metrics: createMetrics({ service: "test", processMetrics: false }),
    ...overrides,
  });
  const schema = z.strictObject({ steps: z.array(z.object({ model: z.string() })) });
  app.post("/v1/parse", async (request) => parseBody(schema, request.body));
  app.get("/v1/fail/:code", async (request) => {
    const { code } = request.params as { code: string };
    if (!Errors.isErrorCode(code)) throw new Error("a secret: hunter2");
    throw Errors.fromCode(code, { detail: "In detail." });
  });
  app.get("/fail", async () => {
    throw Errors.fromCode("unknown_job");
  });
  return { app, lines };
};

describe("errors", () => {
  test("take the OpenAI shape under /v1/", async () => {
    const answer = await build().app.inject("/v1/fail/credit_exhausted");
    expect(answer.statusCode).toBe(402);
    expect(answer.headers["content-type"]).toContain("application/json");
    expect(answer.json()).toMatchObject({
      error: { code: "credit_exhausted", type: "insufficient_quota", param: null },
    });
  });

  test("are problem+json elsewhere, as RFC 9457 asks", async () => {
    const answer = await build().app.inject("/fail");
    expect(answer.statusCode).toBe(404);
    expect(answer.headers["content-type"]).toMatch(/^application\/problem\+json(;|$)/);
    expect(answer.json()).toMatchObject({
      status: 404,
      code: "unknown_job",
      requestId: answer.headers["x-request-id"],
    });
  });

  test("are problem+json everywhere when the service asks for it", async () => {
    const answer = await build({ problemEverywhere: true }).app.inject("/v1/fail/unknown_model");
    expect(answer.headers["content-type"]).toMatch(/^application\/problem\+json(;|$)/);
    expect(answer.json()).toMatchObject({ code: "unknown_model", detail: "In detail." });
  });

  test("409 says not to retry; 429 and 503 say when", async () => {
    const { app } = build();
    expect((await app.inject("/v1/fail/job_closed")).headers["x-should-retry"]).toBe("false");
    const running = await app.inject("/v1/fail/calls_running");
    expect(running.headers).toMatchObject({ "x-should-retry": "true", "retry-after": "1" });
    expect((await app.inject("/v1/fail/rate_limited")).headers["retry-after"]).toBe("1");
    expect((await app.inject("/v1/fail/chain_unavailable")).headers["retry-after"]).toBe("1");
  });

  test("an unexpected error is logged with its cause and not told to the caller", async () => {
    const { app, lines } = build();
    const answer = await app.inject("/v1/fail/unforeseen");
    expect(answer.statusCode).toBe(500);
    expect(answer.json().error.code).toBe("internal");
    expect(answer.body).not.toContain("hunter2");
    expect(lines.join("")).toContain("hunter2");
  });

  test.each([
    [{ steps: [{ model: "m" }, { model: 3 }] }, "steps[1].model"],
    [{ steps: [], extra: 1 }, "extra"],
    [{}, "steps"],
  ])("an invalid body %j names %s", async (payload, param) => {
    const answer = await build().app.inject({ method: "POST", url: "/v1/parse", payload });
    expect(answer.statusCode).toBe(400);
    expect(answer.json().error).toMatchObject({ code: "invalid_request", param });
  });

  test("bodies that are broken, too large or of another type are refused by code", async () => {
    const { app } = build({ bodyLimit: 100 });
    const post = (payload: string, type = "application/json") =>
      app.inject({ method: "POST", url: "/v1/parse", payload, headers: { "content-type": type } });
    expect((await post("{")).json().error.code).toBe("invalid_request");
    expect((await post("")).json().error.code).toBe("invalid_request");
    expect((await post(`"${"x".repeat(200)}"`)).json().error.code).toBe("body_too_large");
    expect((await post("a=b", "application/x-www-form-urlencoded")).json().error.code).toBe(
      "unsupported_media_type",
    );
  });

  test("an unknown route is 404", async () => {
    const answer = await build().app.inject("/v1/nothing?token=abc");
    expect(answer.statusCode).toBe(404);
    expect(answer.json().error.code).toBe("unknown_route");
    expect(answer.body).not.toContain("abc");
  });

  test("a store that is down is 503, not 500", async () => {
    const { app } = build();
    const pool = createPool({ url: `postgres://a:b@127.0.0.1:${await freePort()}/none` });
    app.get("/v1/store", () => pool.query("SELECT 1"));
    const answer = await app.inject("/v1/store");
    expect(answer.statusCode).toBe(503);
    expect(answer.json().error.code).toBe("store_unavailable");
    await pool.end();
  });
});

describe("request id", () => {
  const idFor = async (offered?: string) =>
    (
      await build().app.inject({
        url: "/livez",
        ...(offered === undefined ? {} : { headers: { "x-request-id": offered } }),
      })
    ).headers["x-request-id"];

  test("keeps a plain token", async () => {
    expect(await idFor("client-7f3a9c01")).toBe("client-7f3a9c01");
  });

  test.each([
    undefined,
    "short",
    "has spaces in it",
    'quote"injection',
    "x".repeat(129),
    "a\tb-control-char",
  ])("generates one for %j", async (offered) => {
    expect(await idFor(offered)).toMatch(/^[0-9a-f]{8}-[0-9a-f-]{27}$/);
  });
});

describe("health", () => {
  test("/livez answers though a dependency is down", async () => {
    const { app } = build({ checks: { database: () => Promise.reject(new Error("down")) } });
    expect((await app.inject("/livez")).statusCode).toBe(200);
  });

  test("/healthz is 200 when every check passes", async () => {
    const { app } = build({ checks: { database: async () => 1 } });
    const answer = await app.inject("/healthz");
    expect(answer.statusCode).toBe(200);
    expect(answer.json()).toMatchObject({ status: "ok", checks: { database: { status: "ok" } } });
  });

  test("/healthz asks once for all who come together, and again for who comes later", async () => {
    let asked = 0;
    const { app } = build({ checks: { database: async () => (asked += 1) } });
    const together = await Promise.all([1, 2, 3].map(() => app.inject("/healthz")));
    expect(together.map(({ statusCode }) => statusCode)).toEqual([200, 200, 200]);
    expect(asked).toBe(1);
    await app.inject("/healthz");
    expect(asked).toBe(2);
  });

  test("/healthz is 503 when a check throws or never ends, and tells no secrets", async () => {
    const { app } = build({
      checks: {
        database: () => Promise.reject(new Error("password hunter2")),
        chain: () => new Promise(() => undefined),
        queue: async () => undefined,
      },
      checkDeadlineMs: 20,
    });
    const answer = await app.inject("/healthz");
    expect(answer.statusCode).toBe(503);
    expect(answer.json().checks).toMatchObject({
      database: { status: "failed" },
      chain: { status: "failed", problem: "DeadlineError" },
      queue: { status: "ok" },
    });
    expect(answer.body).not.toContain("hunter2");
  });
});

test("/metrics counts calls by route, not by path", async () => {
  const { app } = build();
  await app.inject("/v1/fail/unknown_model");
  await app.inject("/v1/fail/unknown_job");
  const answer = await app.inject("/metrics");
  expect(answer.headers["content-type"]).toContain("text/plain");
  const counts = answer.body.split("\n").filter((line) => line.startsWith("http_request_ms_count"));
  expect(counts).toHaveLength(1);
  expect(counts[0]).toMatch(/route="\/v1\/fail\/:code",status="404"} 2$/);
});
