import { Header, Nano, type Plan, ProtocolError } from "@tac/protocol";
import type { Hex } from "viem";
import { z } from "zod";
import { receipt } from "../actions/receipt.ts";
import type { ClientCore } from "../ClientCore.ts";
import { type Answer, headerOf } from "../call/Answer.ts";
import { encodeJson, JSON_CONTENT, newIdempotencyKey, readJson } from "../call/callJson.ts";
import { decodeError } from "../call/decodeError.ts";
import { receiptIdOf } from "../call/receiptIdOf.ts";
import { type RetryOptions, retryWhile } from "../call/retryPolicy.ts";
import type { Job } from "../job/Job.ts";
import type { CallResult } from "./CallResult.ts";
import type { RunEvent } from "./RunEvent.ts";
import { readStream, type StreamEnd } from "./readStream.ts";
import type { StepInput } from "./StepInput.ts";

const completionSchema = z.looseObject({
  choices: z
    .array(
      z.object({
        message: z.object({ content: z.string().nullish() }),
        finish_reason: z.string().nullish(),
      }),
    )
    .min(1),
});

const embeddingsSchema = z.looseObject({
  // Some compatible servers leave the index out and keep the order of the inputs.
  data: z.array(z.object({ index: z.int().min(0).optional(), embedding: z.array(z.number()) })),
});

export type StepCall = { step: Plan.QuotedStep; call: number; input: StepInput };

/** Sends one call of a step; tells the text of a streamed chat as it comes, returns the result. */
export async function* callStep(
  core: ClientCore,
  job: Job,
  { step, call, input }: StepCall,
  signal: AbortSignal | undefined,
): AsyncGenerator<RunEvent, CallResult> {
  const { maxCostNano, ...parameters } = input;
  const { path, json } = toRequest(step, parameters);
  const idempotencyKey = newIdempotencyKey();
  const answer = await core.callGateway({
    method: "POST",
    path,
    body: encodeJson(json),
    headers: {
      ...JSON_CONTENT,
      [Header.idempotencyKey]: idempotencyKey,
      // The same model may be on offer by several providers; the step was quoted for one.
      [Header.provider]: String(step.providerId),
    },
    prover: core.sessions.prover(job, maxCostNano ?? step.ceilingNano / BigInt(step.maxCalls)),
    signal,
  });
  if (answer.status >= 400) throw decodeError(answer);
  const receiptId = receiptIdOf(answer, job, idempotencyKey);
  if (receiptId === undefined) {
    throw new ProtocolError("internal", { detail: "The gateway answered without a receipt id." });
  }
  if (!Buffer.isBuffer(answer.body)) {
    const end: StreamEnd = { text: "", finishReason: null };
    for await (const text of readStream(answer.body, end, signal)) {
      yield { type: "delta", stepId: step.id, call, text };
    }
    const costNano = await streamCostNano(core, job, receiptId, signal);
    core.sessions.addSpent(job, costNano);
    return { kind: "chat", ...end, body: null, receiptId, costNano };
  }
  const costNano = Nano.parse(headerOf(answer, Header.costNano) ?? "");
  core.sessions.addSpent(job, costNano);
  return { ...toContent(step, answer), receiptId, costNano };
}

function toRequest(step: Plan.QuotedStep, parameters: StepInput): { path: string; json: object } {
  const { model, providerId } = step;
  switch (step.kind) {
    case "chat": {
      const isBounded = "max_tokens" in parameters || "max_completion_tokens" in parameters;
      const bound = isBounded ? {} : { max_tokens: Number(step.maxOutputTokens) };
      return { path: "/v1/chat/completions", json: { ...bound, ...parameters, model } };
    }
    case "embeddings":
      return { path: "/v1/embeddings", json: { encoding_format: "float", ...parameters, model } };
    case "http":
      return { path: "/v1/execute", json: { kind: "http", model, providerId, input: parameters } };
  }
}

function toContent(step: Plan.QuotedStep, answer: Answer) {
  switch (step.kind) {
    case "chat": {
      const body = readJson(answer, completionSchema);
      const choice = body.choices[0];
      const text = choice?.message.content ?? "";
      return { kind: "chat" as const, text, finishReason: choice?.finish_reason ?? null, body };
    }
    case "embeddings": {
      const body = readJson(answer, embeddingsSchema);
      const ordered = [...body.data].sort((left, right) => (left.index ?? 0) - (right.index ?? 0));
      return { kind: "embeddings" as const, embeddings: ordered.map((entry) => entry.embedding), body };
    }
    case "http":
      return { kind: "http" as const, body: readJson(answer, z.unknown()) };
  }
}

/** The gateway writes the receipt once the stream has ended, which may be a moment after its last byte. */
const RECEIPT_RETRIES: RetryOptions = { maxRetries: 8, baseDelayMs: 20, maxDelayMs: 1_000 };

async function streamCostNano(
  core: ClientCore,
  job: Job,
  receiptId: Hex,
  signal: AbortSignal | undefined,
): Promise<bigint> {
  const isTooEarly = (error: Error) => error instanceof ProtocolError && error.code === "unknown_receipt";
  const read = () => receipt(core, job, receiptId, signal ? { signal } : {});
  const signed = await retryWhile(isTooEarly, read, RECEIPT_RETRIES, signal);
  return signed.receipt.costNano;
}
