import { Pricing, ProtocolError, Wire } from "@tac/protocol";
import { z } from "zod";

const chatBody = z.looseObject({
  model: z.string(),
  messages: z.array(z.looseObject({ role: z.string(), content: z.string() })).min(1),
  stream: z.boolean().optional(),
});
const embeddingsBody = z.looseObject({
  model: z.string(),
  input: z.union([z.string(), z.array(z.string())]),
  encoding_format: z.string().optional(),
});
const executeBody = z.strictObject({
  kind: z.literal("http"),
  model: z.string(),
  providerId: z.number(),
  input: z.record(z.string(), z.unknown()),
});

/** `pieces` is the answer's text in the pieces a stream sends it in; null when it is no text. */
export type TestAnswer = {
  model: string;
  json: object;
  pieces: string[] | null;
  units: Pricing.Units;
};

export function answerChat(body: unknown, echo: (prompt: string) => string): TestAnswer {
  const { model, messages, stream } = Wire.parse(chatBody, body);
  const text = echo(messages.at(-1)?.content ?? "");
  const pieces = text.match(/\S+\s*/g) ?? [];
  const inputTokens = messages.reduce((sum, { content }) => sum + content.length, 0);
  return {
    model,
    pieces: stream === true ? pieces : null,
    units: unitsOf(inputTokens, pieces.length),
    json: {
      id: "chatcmpl-1",
      object: "chat.completion",
      created: 0,
      model,
      choices: [{ index: 0, message: { role: "assistant", content: text }, finish_reason: "stop" }],
      usage: {
        prompt_tokens: inputTokens,
        completion_tokens: pieces.length,
        total_tokens: inputTokens + pieces.length,
      },
    },
  };
}

export function answerEmbeddings(body: unknown): TestAnswer {
  const { model, input, encoding_format } = Wire.parse(embeddingsBody, body);
  const texts = typeof input === "string" ? [input] : input;
  const vectors = texts.map((text) => [text.length / 100, 0.5, -0.25]);
  const tokens = texts.join("").length;
  return {
    model,
    pieces: null,
    units: unitsOf(tokens, 0),
    json: {
      object: "list",
      model,
      data: vectors.map((vector, index) => ({
        object: "embedding",
        index,
        embedding:
          encoding_format === "base64"
            ? Buffer.from(new Float32Array(vector).buffer).toString("base64")
            : vector,
      })),
      usage: { prompt_tokens: tokens, total_tokens: tokens },
    },
  };
}

export function answerExecute(body: unknown): TestAnswer {
  const { model, input } = Wire.parse(executeBody, body);
  return { model, pieces: null, units: unitsOf(1, 0), json: { echoed: input } };
}

export function answerOf(path: string, body: unknown, echo: (prompt: string) => string): TestAnswer {
  if (path === "/v1/chat/completions") return answerChat(body, echo);
  if (path === "/v1/embeddings") return answerEmbeddings(body);
  if (path === "/v1/execute") return answerExecute(body);
  throw new ProtocolError("invalid_request", { detail: `No such path: ${path}` });
}

function unitsOf(inputTokens: number, outputTokens: number): Pricing.Units {
  return {
    ...Pricing.ZERO_UNITS,
    inputTokens: BigInt(inputTokens),
    outputTokens: BigInt(outputTokens),
    requests: 1n,
  };
}
