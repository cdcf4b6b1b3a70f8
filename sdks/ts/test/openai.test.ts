import { Header } from "@tac/protocol";
import OpenAI, { APIError } from "openai";
import { describe, expect, it } from "vitest";
import type { Job } from "../src/index.ts";
import { useWorld } from "./support.ts";

const world = useWorld();

function openaiFor(job: Job, options: { maxRetries?: number } = {}): OpenAI {
  return new OpenAI({
    baseURL: `${world.gateway.url}/v1`,
    apiKey: "sk-must-not-leave",
    fetch: world.client.fetch(job),
    ...options,
  });
}

describe("the official openai client", () => {
  it("chats", async () => {
    const openai = openaiFor(await world.lockedJob());
    const completion = await openai.chat.completions.create({
      model: "chat-small",
      messages: [{ role: "user", content: "hello" }],
    });
    expect(completion.choices[0]?.message.content).toBe("You said: hello");
    expect(world.gateway.seen.every(({ headers }) => headers.authorization === undefined)).toBe(true);
  });

  it("streams", async () => {
    const openai = openaiFor(await world.lockedJob());
    world.gateway.pieceDelayMs = 5;
    const stream = await openai.chat.completions.create({
      model: "chat-small",
      messages: [{ role: "user", content: "one two three" }],
      stream: true,
    });
    const pieces = [];
    for await (const chunk of stream) pieces.push(chunk.choices[0]?.delta.content ?? "");
    expect(pieces.filter((piece) => piece !== "")).toEqual(["You ", "said: ", "one ", "two ", "three"]);
  });

  it("embeds", async () => {
    const openai = openaiFor(await world.lockedJob());
    const { data } = await openai.embeddings.create({ model: "embed-small", input: ["abcd", "ab"] });
    expect(data.map(({ embedding }) => embedding[1])).toEqual([0.5, 0.5]);
    expect(data[0]?.embedding[0]).toBeCloseTo(0.04);
  });

  it("hangs up when a stream is aborted, and the connection is not reused", async () => {
    const { gateway } = world;
    const openai = openaiFor(await world.lockedJob());
    gateway.pieceDelayMs = 20;
    gateway.echo = () => "word ".repeat(200);
    const before = gateway.piecesSent();
    const stream = await openai.chat.completions.create({
      model: "chat-small",
      messages: [{ role: "user", content: "go on" }],
      stream: true,
    });
    for await (const chunk of stream) {
      if (chunk.choices[0]?.delta.content === "word ") break;
    }
    await new Promise((resolve) => setTimeout(resolve, 150));
    expect(gateway.piecesSent() - before).toBeLessThan(20);
    gateway.echo = (prompt) => prompt;
    gateway.pieceDelayMs = 0;
    const after = await openai.chat.completions.create({
      model: "chat-small",
      messages: [{ role: "user", content: "again" }],
    });
    expect(after.choices[0]?.message.content).toBe("again");
  });

  it("aborts a call by signal", async () => {
    const openai = openaiFor(await world.lockedJob());
    const controller = new AbortController();
    controller.abort();
    const call = openai.chat.completions.create(
      { model: "chat-small", messages: [{ role: "user", content: "never" }] },
      { signal: controller.signal },
    );
    await expect(call).rejects.toThrow(/aborted/i);
  });

  it("sees the gateway's error in the OpenAI shape, and does not repeat it once more", async () => {
    const openai = openaiFor(await world.lockedJob());
    const call = openai.chat.completions.create({
      model: "no-such",
      messages: [{ role: "user", content: "x" }],
    });
    const error = await call.catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(APIError);
    expect(error).toMatchObject({ status: 403, code: "model_not_allowed", param: "model" });
    expect(world.gateway.seen.filter(({ path }) => path.startsWith("/v1/chat"))).toHaveLength(1);
  });

  it("is charged once when openai's own repeat follows a lost answer", async () => {
    const { gateway } = world;
    const job = await world.lockedJob();
    const openai = openaiFor(job, { maxRetries: 2 });
    let drops = 5;
    gateway.faults.push(({ url }) => (url.startsWith("/v1/chat") && drops-- > 0 ? "drop" : undefined));
    await openai.chat.completions.create({ model: "chat-small", messages: [{ role: "user", content: "x" }] });
    const calls = gateway.seen.filter(({ path }) => path.startsWith("/v1/chat"));
    expect(calls).toHaveLength(6);
    expect(new Set(calls.map(({ headers }) => headers[Header.idempotencyKey])).size).toBe(1);
    expect(gateway.jobs.all.get(job.jobId)?.receipts).toHaveLength(1);
  });
});
