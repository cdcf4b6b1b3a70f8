import { FeedEvent, UsageReceipt } from "@tac/protocol";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { feedOf } from "./support/feedOf.ts";
import { type Harness, startHarness } from "./support/harness.ts";
import { domains, gatewayAddress } from "./support/identities.ts";
import { chunkOf, DONE, sendJson, usageChunk } from "./support/TestProvider.ts";

let harness: Harness;
beforeAll(async () => {
  harness = await startHarness();
});
afterEach(() => harness.reset());
afterAll(() => harness.stop());

describe("a chat call", () => {
  test("is held, forwarded, charged for its real usage and receipted", async () => {
    const job = await harness.openJob();
    expect(job.answer.status, job.answer.text).toBe(200);

    const answer = await job.by.send(job.chat());
    const proof = job.by.lastProof;

    expect(answer.status, answer.text).toBe(200);
    expect(JSON.parse(answer.text)).toMatchObject({ choices: [{ message: { content: "one two three" } }] });
    expect(answer.headers["x-cost-nano"]).toBe("13");
    const [sent] = harness.provider.received;
    expect(sent?.path).toBe("/v1/chat/completions");
    expect(sent?.headers.authorization).toBe("Bearer provider-secret");
    expect(sent?.headers["usage-auth"]).toBe(job.token);
    expect(sent?.headers["x-receipt-id"]).toBe(answer.headers["x-receipt-id"]);

    const shown = await job.by.send({ method: "GET", path: `/v1/jobs/${job.jobId}`, token: job.token });
    expect(JSON.parse(shown.text)).toMatchObject({
      heldNano: "0",
      spentNano: "13",
      receipts: 1,
      status: "open",
    });
    const audit = await harness.audit(job.jobId);
    expect(audit.problems).toEqual([]);
    expect(audit.balances.get("provider:1")).toBe(13n);

    const [opened, usage] = await feedOf(harness.pool, job.jobId);
    expect(opened?.kind).toBe("job-opened");
    if (usage?.kind !== "usage") throw new Error("no usage event");
    const { receipt, receiptSignature } = usage.body;
    expect(UsageReceipt.recover(receipt, receiptSignature, domains.usageReceipts)).toBe(gatewayAddress);
    expect(receipt).toMatchObject({
      inputTokens: 10n,
      outputTokens: 3n,
      costNano: 13n,
      countersigned: false,
    });
    expect(usage.body.proof).toBe(proof);
  });

  test("without max_tokens runs on what is left, and says so to the provider", async () => {
    const job = await harness.openJob({ maxSpendNano: 200n });
    const call = job.chat({ max_tokens: undefined });
    const inputBytes = Buffer.byteLength(JSON.stringify(call.body));

    const answer = await job.by.send(call);

    expect(answer.status, answer.text).toBe(200);
    expect(harness.provider.received[0]?.body.max_tokens).toBe(200 - inputBytes);
    expect((await harness.audit(job.jobId)).balances.get("available")).toBe(187n);
  });

  test("without max_tokens never holds more than the caller signed", async () => {
    const job = await harness.openJob();
    const call = job.chat({ max_tokens: undefined });
    const inputBytes = Buffer.byteLength(JSON.stringify(call.body));

    await job.by.send({ ...call, maxCostNano: BigInt(inputBytes) + 30n });

    expect(harness.provider.received[0]?.body.max_tokens).toBe(30);
    const { rows } = await harness.pool.query(
      "SELECT hold_nano FROM calls WHERE job_id = decode($1, 'hex')",
      [job.jobId.slice(2)],
    );
    expect(rows).toEqual([{ hold_nano: BigInt(inputBytes) + 30n }]);
  });

  test("pays for cached tokens at their own price", async () => {
    const job = await harness.openJob();
    harness.provider.answer = (_received, response) =>
      sendJson(response, 200, {
        choices: [{ message: { content: "hi" } }],
        usage: { prompt_tokens: 10, completion_tokens: 1, prompt_tokens_details: { cached_tokens: 8 } },
      });
    const answer = await job.by.send(job.chat());
    // 2 fresh + 8 cached at half the price + 1 out.
    expect(answer.headers["x-cost-nano"]).toBe("7");
  });

  test("never costs more than its hold, whatever the provider reports", async () => {
    const job = await harness.openJob();
    harness.provider.answer = (_received, response) =>
      sendJson(response, 200, {
        choices: [{ message: { content: "hi" } }],
        usage: { prompt_tokens: 50_000, completion_tokens: 50_000 },
      });
    const call = job.chat();
    const answer = await job.by.send(call);
    const holdNano = Buffer.byteLength(JSON.stringify(call.body)) + 20;
    expect(answer.headers["x-cost-nano"]).toBe(String(holdNano));
    const { rows } = await harness.pool.query(
      "SELECT reason FROM usage_disagreements WHERE reason = 'above_bound'",
    );
    expect(rows).toHaveLength(1);
  });

  test("is estimated when the provider counts nothing", async () => {
    const job = await harness.openJob();
    harness.provider.answer = (_received, response) =>
      sendJson(response, 200, { choices: [{ message: { content: "12345678" } }] });
    const call = job.chat();
    const answer = await job.by.send(call);
    const inputTokens = Math.ceil(Buffer.byteLength(JSON.stringify(call.body)) / 4);
    expect(answer.headers["x-cost-nano"]).toBe(String(inputTokens + 2));
  });
});

describe("other routes through the same gate", () => {
  test("an embedding is charged", async () => {
    const job = await harness.openJob();
    const answer = await job.by.send({
      path: "/v1/embeddings",
      body: { model: "embed-1", input: "some text" },
      token: job.token,
      maxCostNano: 1_000n,
    });
    expect(answer.status, answer.text).toBe(200);
    expect(answer.headers).toMatchObject({ "x-cost-nano": "7", "x-provider-id": "2" });
  });

  test("execute takes kind, model and provider", async () => {
    const job = await harness.openJob();
    const execute = (providerId: number) => ({
      path: "/v1/execute",
      body: {
        kind: "chat",
        model: "chat-1",
        providerId,
        input: { messages: [{ role: "user", content: "hello" }], max_tokens: 5 },
      },
      token: job.token,
      maxCostNano: 1_000n,
    });
    const answer = await job.by.send(execute(1));
    expect(answer.status, answer.text).toBe(200);
    expect(answer.headers["x-cost-nano"]).toBe("13");
    expect(harness.provider.received[0]?.body.model).toBe("chat-1");
    const refused = await job.by.send(execute(2));
    expect(refused.status).toBe(403);
    expect(JSON.parse(refused.text)).toMatchObject({ error: { code: "provider_not_allowed" } });
  });

  test("models are listed without a token", async () => {
    await harness.openJob();
    const by = await harness.caller();
    const answer = await by.send({ method: "GET", path: "/v1/models" });
    const { data } = JSON.parse(answer.text) as { data: { id: string }[] };
    expect(data.map(({ id }) => id).sort()).toEqual(["chat-1", "chat-other", "embed-1"]);
  });
});

describe("a stream", () => {
  test("passes on as it flows and ends after its charge", async () => {
    const job = await harness.openJob();
    const answer = await job.by.send(job.chat({ stream: true }));

    expect(answer.status).toBe(200);
    expect(answer.headers["content-type"]).toContain("text/event-stream");
    expect(answer.text).toBe(`${chunkOf("one ")}${chunkOf("two ")}${chunkOf("three")}${DONE}`);
    expect(harness.provider.received[0]?.body.stream_options).toEqual({ include_usage: true });

    const receiptId = String(answer.headers["x-receipt-id"]);
    const shown = await job.by.send({ method: "GET", path: `/v1/receipts/${receiptId}`, token: job.token });
    const { receipt, outcome, settlement } = JSON.parse(shown.text) as Record<string, unknown>;
    expect({ outcome, settlement }).toEqual({ outcome: "complete", settlement: null });
    const { createHash } = await import("node:crypto");
    const responseHash = `0x${createHash("sha256").update(answer.text).digest("hex")}`;
    expect(receipt).toMatchObject({ receiptId, costNano: "13", responseHash });
  });

  test("gives the usage event to a caller who asked for it", async () => {
    const job = await harness.openJob();
    const answer = await job.by.send(job.chat({ stream: true, stream_options: { include_usage: true } }));
    expect(answer.text).toContain(usageChunk(10, 3));
  });

  test("stops when the hold is used up", async () => {
    const job = await harness.openJob();
    harness.provider.answer = async (_received, response) => {
      response.writeHead(200, { "content-type": "text/event-stream" });
      for (let index = 0; index < 200 && !response.destroyed; index += 1) {
        response.write(chunkOf(`w${index} `));
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
      response.end(DONE);
    };
    const answer = await job.by.send(job.chat({ stream: true, max_tokens: 5 }));
    expect(answer.text.match(/"w\d+ "/g)).toHaveLength(5);
    expect(answer.text).toContain('"code":"credit_exhausted"');
    const shown = await job.by.send({
      method: "GET",
      path: `/v1/receipts/${String(answer.headers["x-receipt-id"])}`,
      token: job.token,
    });
    expect(JSON.parse(shown.text)).toMatchObject({
      outcome: "hold_exhausted",
      receipt: { outputTokens: "5" },
    });
  });

  test("that the caller leaves is charged for what was delivered, and the provider is told", async () => {
    const job = await harness.openJob();
    const abortedBefore = harness.provider.aborted;
    harness.provider.answer = async (_received, response) => {
      response.writeHead(200, { "content-type": "text/event-stream" });
      for (let index = 0; index < 1_000 && !response.destroyed; index += 1) {
        response.write(chunkOf("1234"));
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      response.end(DONE);
    };
    const { headers, body } = await job.by.begin(job.chat({ stream: true, max_tokens: 900 }));
    let seen = 0;
    for await (const chunk of body) {
      seen += String(chunk).split("1234").length - 1;
      if (seen >= 10) break;
    }
    await job.by.close();

    await expect
      .poll(async () => (await harness.audit(job.jobId)).balances.get("held"), { timeout: 5_000 })
      .toBe(0n);
    const audit = await harness.audit(job.jobId);
    expect(audit.problems).toEqual([]);
    expect(harness.provider.aborted).toBe(abortedBefore + 1);
    const usage = (await feedOf(harness.pool, job.jobId)).find(({ kind }) => kind === "usage");
    if (usage?.kind !== "usage") throw new Error("no usage event");
    expect(usage.body.receipt.receiptId).toBe(headers["x-receipt-id"]);
    expect(Number(usage.body.receipt.outputTokens)).toBeGreaterThanOrEqual(9);
    expect(Number(usage.body.receipt.outputTokens)).toBeLessThan(100);
  });

  test("that breaks off is charged for what was delivered, and ends with an error event", async () => {
    const job = await harness.openJob();
    harness.provider.answer = async (_received, response) => {
      response.writeHead(200, { "content-type": "text/event-stream" });
      response.write(chunkOf("12345678"));
      await new Promise((resolve) => setTimeout(resolve, 50));
      response.destroy();
    };
    const call = job.chat({ stream: true });
    const answer = await job.by.send(call);
    expect(answer.text).toContain('"code":"provider_error"');
    const inputTokens = Math.ceil(Buffer.byteLength(JSON.stringify(call.body)) / 4);
    expect((await harness.audit(job.jobId)).balances.get("provider:1")).toBe(BigInt(inputTokens + 2));
  });
});

describe("a provider that fails before delivering", () => {
  const expectNothingCharged = async (jobId: `0x${string}`) => {
    const audit = await harness.audit(jobId);
    expect(audit.problems).toEqual([]);
    expect(audit.balances.get("available")).toBe(100_000n);
    expect(audit.balances.get("held") ?? 0n).toBe(0n);
    expect((await feedOf(harness.pool, jobId)).map(({ kind }) => kind)).toEqual(["job-opened"]);
  };

  test.each([
    ["an error status", 500, 502, "provider_error"],
    ["a redirect, which is not followed", 302, 502, "provider_error"],
    ["a refusal of our key", 401, 502, "provider_error"],
    ["a refusal of the request", 400, 400, "invalid_request"],
  ])("with %s costs nothing", async (_name, given, status, code) => {
    const job = await harness.openJob();
    harness.provider.answer = (_received, response) =>
      sendJson(response, given, { error: { message: "no" } }, { location: "http://127.0.0.1:1/" });
    const answer = await job.by.send(job.chat());
    expect(answer.status).toBe(status);
    expect(JSON.parse(answer.text)).toMatchObject({ error: { code } });
    await expectNothingCharged(job.jobId);
  });

  test("by silence costs nothing", async () => {
    const job = await harness.openJob();
    harness.provider.answer = () => undefined;
    const answer = await job.by.send(job.chat());
    expect(answer.status).toBe(504);
    expect(JSON.parse(answer.text)).toMatchObject({ error: { code: "provider_timeout" } });
    await expectNothingCharged(job.jobId);
  });

  test("by hanging up costs nothing, streaming too", async () => {
    const job = await harness.openJob();
    harness.provider.answer = (received, response) => {
      if (received.body.stream === true)
        response.writeHead(200, { "content-type": "text/event-stream" }).flushHeaders();
      response.destroy();
    };
    expect((await job.by.send(job.chat())).status).toBe(502);
    expect((await job.by.send(job.chat({ stream: true }))).status).toBe(502);
    await expectNothingCharged(job.jobId);
  });

  test("with a body that is no JSON costs nothing", async () => {
    const job = await harness.openJob();
    harness.provider.answer = (_received, response) => {
      response.writeHead(200, { "content-type": "application/json" }).end("<html>");
    };
    expect((await job.by.send(job.chat())).status).toBe(502);
    await expectNothingCharged(job.jobId);
  });
});

test("the whole feed is one chain without gaps, its head signed", async () => {
  const events = await feedOf(harness.pool, null);
  expect(events.map(({ seq }) => seq)).toEqual(events.map((_event, index) => BigInt(index + 1)));
  expect(new Set(events.map((event) => FeedEvent.toJson(event).hash)).size).toBe(events.length);
});
