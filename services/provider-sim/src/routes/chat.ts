import { randomUUID } from "node:crypto";
import { Readable } from "node:stream";
import { type App, parseBody, peerCertificateOf } from "@tac/kit";
import { Header, UsageReport } from "@tac/protocol";
import { z } from "zod";
import type { RouteDeps } from "../app.ts";
import { chatStream } from "../chatStream.ts";
import { behaviourOf } from "../controls.ts";
import { generate } from "../generate.ts";
import type { GuardedCall } from "../guard.ts";
import { pause } from "../pause.ts";
import { countTokens } from "../tokens.ts";
import { type ChatUsage, usageJson } from "../usage.ts";
import { requireModel } from "./models.ts";

const part = z.looseObject({ text: z.string().optional() });
const messageSchema = z.looseObject({
  role: z.string(),
  content: z.union([z.string(), z.array(part)]).nullish(),
});
const tokenBound = z.int().min(1).max(1_000_000).nullish();

/** What matters of an OpenAI chat request; everything else is accepted and ignored, as providers do. */
const chatBody = z.looseObject({
  model: z.string(),
  messages: z.array(messageSchema).min(1),
  max_tokens: tokenBound,
  max_completion_tokens: tokenBound,
  n: z.int().min(1).max(8).nullish(),
  stream: z.boolean().nullish(),
  stream_options: z.looseObject({ include_usage: z.boolean().nullish() }).nullish(),
  metadata: z.record(z.string(), z.unknown()).nullish(),
});

const defaultMaxTokens = 4_096;
const tokensPerMessage = 3;

const textOf = ({ content }: z.output<typeof messageSchema>): string =>
  typeof content === "string" ? content : (content ?? []).map(({ text = "" }) => text).join("");

/** `extraTokens` falsifies what is signed, never what is answered. */
const signedReport = (call: GuardedCall, usage: ChatUsage, extraTokens: number) =>
  call.report({
    inputTokens: usage.promptTokens - usage.cachedTokens,
    cachedInputTokens: usage.cachedTokens,
    outputTokens: Math.max(0, usage.completionTokens + extraTokens),
  });

/** `POST /v1/chat/completions`, whole or as server-sent events. */
export const addChatRoute = (
  app: App,
  { guard, reporter, misbehaviour, configured, models }: RouteDeps,
): void => {
  app.post("/v1/chat/completions", async (request, reply) => {
    const body = parseBody(chatBody, request.body);
    requireModel(models, body.model);
    const call = guard({
      headers: request.headers,
      model: body.model,
      body: request.rawBody,
      certificate: peerCertificateOf(request.raw.socket),
    });
    const behaviour = behaviourOf(configured, request.headers, body.metadata ?? {});
    if (await misbehaviour.before(reply, behaviour)) return reply;

    const prompt = body.messages.map(textOf).join("\n");
    const promptTokens = body.messages.reduce(
      (sum, message) => sum + countTokens(textOf(message)) + tokensPerMessage,
      0,
    );
    const maxTokens = Math.min(
      body.max_tokens ?? defaultMaxTokens,
      body.max_completion_tokens ?? body.max_tokens ?? defaultMaxTokens,
    );
    const answers = Array.from({ length: body.n ?? 1 }, (_, choice) =>
      generate(prompt, { choice, length: behaviour.outputTokens, maxTokens }),
    );
    const usageOf = (completionTokens: number): ChatUsage => ({
      promptTokens,
      cachedTokens: Math.min(behaviour.cachedTokens, promptTokens),
      completionTokens,
    });
    const report = (completionTokens: number) =>
      signedReport(call, usageOf(completionTokens), behaviour.reportExtraTokens);
    const envelope = {
      id: `chatcmpl-${randomUUID()}`,
      created: Math.floor(Date.now() / 1_000),
      model: body.model,
      system_fingerprint: "simulator",
    };

    if (body.stream === true) {
      reply.type("text/event-stream; charset=utf-8").header("cache-control", "no-cache");
      const includeUsage = body.stream_options?.include_usage === true;
      return Readable.from(
        chatStream({ envelope, answers, behaviour, includeUsage, usageOf, report, reporter }),
      );
    }

    const completionTokens = answers.reduce((sum, { tokens }) => sum + tokens.length, 0);
    await pause(behaviour.tokenLatencyMs * completionTokens);
    const signed = report(completionTokens);
    if (signed !== undefined) {
      if (reporter.mode === "inline") reply.header(Header.countersignature, UsageReport.toHeader(signed));
      await reporter.emit(signed);
    }
    return {
      ...envelope,
      object: "chat.completion",
      choices: answers.map(({ tokens, finishReason }, index) => ({
        index,
        message: { role: "assistant", content: tokens.join(""), refusal: null },
        logprobs: null,
        finish_reason: finishReason,
      })),
      usage: usageJson(usageOf(completionTokens)),
    };
  });
};
