import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { type Harness, startHarness } from "./support/harness.ts";
import { DONE, usageChunk } from "./support/TestProvider.ts";

let harness: Harness;
beforeAll(async () => {
  harness = await startHarness({ upstreamTimeoutMs: 20_000, chainMaxAgeMs: 20_000 }, "none");
});
afterEach(() => harness.reset());
afterAll(() => harness.stop());

/** An event without text, as providers pad their streams with: it costs nothing. */
const padding = `data: ${JSON.stringify({ choices: [], obfuscation: "x".repeat(64 * 1024) })}\n\n`;
const PADDING_EVENTS = 1_000;

describe("a stream", () => {
  test("flows no faster than its reader, and is not gathered on the way", async () => {
    const job = await harness.openJob();
    let sentEvents = 0;
    harness.provider.answer = async (_received, response) => {
      response.writeHead(200, { "content-type": "text/event-stream" });
      for (; sentEvents < PADDING_EVENTS; sentEvents += 1) {
        if (!response.write(padding)) await once(response, "drain");
      }
      response.end(usageChunk(10, 0) + DONE);
    };
    const { body } = await job.by.begin(job.chat({ stream: true }));
    let before = -1;
    // Buffers of sockets fill, and then nothing moves.
    await expect
      .poll(
        async () => {
          const isStill = sentEvents === before;
          before = sentEvents;
          return isStill;
        },
        { interval: 500, timeout: 20_000 },
      )
      .toBe(true);
    const stalledAt = sentEvents;
    expect(stalledAt).toBeGreaterThan(0);
    expect(stalledAt).toBeLessThan(PADDING_EVENTS / 2);
    await sleep(500);
    expect(sentEvents).toBe(stalledAt);

    let bytes = 0;
    for await (const chunk of body as AsyncIterable<Buffer>) bytes += chunk.length;
    expect(sentEvents).toBe(PADDING_EVENTS);
    expect(bytes).toBeGreaterThanOrEqual(PADDING_EVENTS * padding.length);
    expect((await harness.audit(job.jobId)).problems).toEqual([]);
  });

  test("of a countersigned job that ends early costs nothing when its provider reports in its answers alone", async () => {
    const signing = await startHarness();
    const job = await signing.openJob({ countersigned: true });
    signing.provider.answer = (_received, response) => {
      response.writeHead(200, { "content-type": "text/event-stream" });
      response.write(`data: ${JSON.stringify({ choices: [{ delta: { content: "12345678" } }] })}\n\n`);
    };
    const { body } = await job.by.begin(job.chat({ stream: true }));
    await once(body, "readable");
    await job.by.close();
    await expect.poll(async () => (await signing.audit(job.jobId)).balances.get("held")).toBe(0n);
    expect((await signing.audit(job.jobId)).balances.get("provider:1")).toBeUndefined();
    await signing.stop();
  });
});

test("a body too deep to be written out again is refused as the caller's mistake", async () => {
  const job = await harness.openJob();
  const deep = "[".repeat(100_000) + "]".repeat(100_000);
  const answer = await job.by.send({
    ...job.chat(),
    rawBody: `{"model":"chat-1","messages":[{"role":"user","content":"x"}],"max_tokens":5,"metadata":{"a":${deep}}}`,
  });
  expect(answer.status).toBe(400);
  expect(harness.provider.received).toEqual([]);
});
