import { ProtocolError } from "@tac/protocol";
import { describe, expect, it } from "vitest";
import { parseRetryAfterMs } from "../src/call/retryPolicy.ts";
import { ConnectionError, CreditError, RateLimitError, ServerError } from "../src/index.ts";
import { testPlan } from "../src/testing/index.ts";
import { chatBody, useWorld } from "./support.ts";

const world = useWorld();
const chatPath = "/v1/chat/completions";

async function chatOnce(): Promise<{ status: number; attempts: number; durationMs: number }> {
  const job = await world.lockedJob();
  const startedMs = Date.now();
  const response = await world.client.fetch(job)(`${world.gateway.url}${chatPath}`, chatBody("x"));
  await response.text();
  const attempts = world.gateway.seen.filter(({ path }) => path === chatPath).length;
  return { status: response.status, attempts, durationMs: Date.now() - startedMs };
}

function failChat(code: ProtocolError, times: number, headers: Record<string, string> = {}): void {
  let left = times;
  const answer = { status: code.status, code, headers };
  world.gateway.faults.push(({ url }) => (url === chatPath && left-- > 0 ? answer : undefined));
}

describe("the retry policy", () => {
  it("repeats retryable errors", async () => {
    failChat(new ProtocolError("provider_error"), 2);
    expect(await chatOnce()).toMatchObject({ status: 200, attempts: 3 });
  });

  it("gives up after its bound and hands on the last answer", async () => {
    failChat(new ProtocolError("store_unavailable"), 100);
    expect(await chatOnce()).toMatchObject({ status: 503, attempts: 4 });
  });

  it("waits for the first call of its key", async () => {
    failChat(new ProtocolError("call_running"), 2, { "x-should-retry": "true" });
    expect(await chatOnce()).toMatchObject({ status: 200, attempts: 3 });
  });

  it("honours Retry-After", async () => {
    failChat(new ProtocolError("rate_limited"), 1, { "retry-after": "1" });
    const { status, durationMs } = await chatOnce();
    expect(status).toBe(200);
    expect(durationMs).toBeGreaterThanOrEqual(990);
  });

  it("does not wait for a Retry-After beyond its bound", async () => {
    failChat(new ProtocolError("rate_limited"), 1, { "retry-after": "3600" });
    expect(await chatOnce()).toMatchObject({ status: 429, attempts: 1 });
  });

  it("respects x-should-retry: false", async () => {
    failChat(new ProtocolError("provider_error"), 1, { "x-should-retry": "false" });
    expect(await chatOnce()).toMatchObject({ status: 502, attempts: 1 });
  });

  it("does not repeat what cannot get better", async () => {
    failChat(new ProtocolError("credit_exhausted"), 1);
    expect(await chatOnce()).toMatchObject({ status: 402, attempts: 1 });
  });

  it("stops waiting when the caller aborts", async () => {
    failChat(new ProtocolError("rate_limited"), 1, { "retry-after": "2" });
    const job = await world.lockedJob();
    const signal = AbortSignal.timeout(100);
    const startedMs = Date.now();
    const call = world.client.fetch(job)(`${world.gateway.url}${chatPath}`, { ...chatBody("x"), signal });
    await expect(call).rejects.toThrow();
    expect(Date.now() - startedMs).toBeLessThan(1_500);
  });

  it("reads both forms of Retry-After (RFC 9110 section 10.2.3)", () => {
    const nowMs = Date.parse("Fri, 31 Dec 1999 23:59:00 GMT");
    expect(parseRetryAfterMs("120", nowMs)).toBe(120_000);
    expect(parseRetryAfterMs("Fri, 31 Dec 1999 23:59:59 GMT", nowMs)).toBe(59_000);
    expect(parseRetryAfterMs("soon", nowMs)).toBeUndefined();
    expect(parseRetryAfterMs(undefined, nowMs)).toBeUndefined();
  });
});

describe("errors", () => {
  const cases: [ProtocolError, unknown][] = [
    [new ProtocolError("over_max_cost", { param: "maxCostNano" }), CreditError],
    [new ProtocolError("rate_limited"), RateLimitError],
    [new ProtocolError("provider_timeout"), ServerError],
  ];
  it.each(cases)("are decoded from the OpenAI shape: %s", async (code, errorClass) => {
    const { client, gateway } = world;
    const job = await world.lockedJob();
    gateway.faults.push(({ url }) =>
      url === chatPath ? { status: code.status, code, headers: { "retry-after": "77" } } : undefined,
    );
    const run = client.run(job, { draft: { messages: [] }, index: { input: "x" } });
    await run.next();
    const error = await run.next().catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(errorClass);
    expect(error).toMatchObject({
      code: code.code,
      httpStatus: code.status,
      hint: code.hint,
      param: code.param,
      retryAfterMs: 77_000,
    });
    expect(error).toMatchObject({ requestId: expect.stringMatching(/^test-/) });
  });

  it("keep the reason of a failed connection", async () => {
    const client = world.newClient({
      gatewayUrl: "https://127.0.0.1:1",
      retry: { maxRetries: 1, baseDelayMs: 1 },
    });
    const error = await client.quote(testPlan).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(ConnectionError);
    expect(error).toMatchObject({ code: "connection_failed", retryable: true });
  });

  it("do not trust an unknown authority", async () => {
    const { gateway } = world;
    const other = await import("../src/testing/index.ts").then((testing) => testing.createCertificate());
    const client = world.newClient({ gatewayUrl: gateway.url, ca: other.ca, retry: { maxRetries: 0 } });
    await expect(client.quote(testPlan)).rejects.toBeInstanceOf(ConnectionError);
  });

  it("refuse a gateway without TLS", () => {
    expect(() => world.newClient({ gatewayUrl: "http://127.0.0.1:8080" })).toThrow(/https/);
  });
});
