import OpenAI from "openai";
import { describe, expect, test } from "vitest";
import { plan } from "../demo/plan.ts";
import { urlOf } from "../stack/urlOf.ts";
import { openTenant, type StackOf } from "./support.ts";

export const openaiClient = (stackOf: StackOf): void => {
  describe("the official openai client, with the SDK's fetch", () => {
    test("completes a chat, a stream and an embedding, and each has a receipt", async () => {
      const { credits } = await openTenant(stackOf());
      const steps = plan.steps.map((step) => ({ ...step, maxCalls: 3 }));
      const job = await credits.lock(await credits.quote({ steps }));
      const openai = new OpenAI({
        baseURL: `${urlOf(stackOf().layout, "gateway")}/v1`,
        apiKey: "unused",
        fetch: credits.fetch(job),
        maxRetries: 0,
      });
      const messages = [{ role: "user" as const, content: "Name three ledgers." }];

      const chat = await openai.chat.completions.create({
        model: "sim-chat-small",
        messages,
        max_tokens: 30,
      });
      expect(chat.choices[0]?.message.content).toBeTruthy();

      let streamed = "";
      const stream = await openai.chat.completions.create({
        model: "sim-chat-small",
        messages,
        max_tokens: 30,
        stream: true,
      });
      for await (const chunk of stream) streamed += chunk.choices[0]?.delta.content ?? "";
      expect(streamed.length).toBeGreaterThan(10);

      const embedding = await openai.embeddings.create({ model: "sim-embed", input: ["a", "b"] });
      expect(embedding.data).toHaveLength(2);
      const models: string[] = [];
      for await (const { id } of openai.models.list()) models.push(id);
      expect(models).toContain("sim-embed");

      const status = await credits.status(job);
      expect(status.receipts).toBe(3n);
      expect(status.heldNano).toBe(0n);
      await credits.close(job);
      await credits.shutdown();
    });
  });
};
