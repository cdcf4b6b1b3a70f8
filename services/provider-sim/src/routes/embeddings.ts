import { type App, parseBody, peerCertificateOf } from "@tac/kit";
import { Header, UsageReport } from "@tac/protocol";
import { z } from "zod";
import type { RouteDeps } from "../app.ts";
import { behaviourOf } from "../controls.ts";
import { embed } from "../generate.ts";
import { countTokens } from "../tokens.ts";
import { requireModel } from "./models.ts";

const tokenIds = z.array(z.int().min(0)).min(1).max(8_192);

const embeddingsBody = z.looseObject({
  model: z.string(),
  input: z.union([
    z.string().min(1),
    z.array(z.string().min(1)).min(1).max(2_048),
    tokenIds,
    z.array(tokenIds).min(1).max(2_048),
  ]),
  dimensions: z.int().min(1).max(4_096).nullish(),
  encoding_format: z.enum(["float", "base64"]).nullish(),
});

type Input = z.output<typeof embeddingsBody>["input"];
type Item = { text: string; tokens: number };

const itemOf = (input: string | number[]): Item =>
  typeof input === "string"
    ? { text: input, tokens: countTokens(input) }
    : { text: input.join(","), tokens: input.length };

const isTokenIds = (input: Input): input is number[] =>
  Array.isArray(input) && input.every((item) => typeof item === "number");

const itemsOf = (input: Input): Item[] =>
  typeof input === "string" || isTokenIds(input) ? [itemOf(input)] : input.map(itemOf);

const encode = (vector: number[], format: "float" | "base64"): number[] | string =>
  format === "float" ? vector : Buffer.from(new Float32Array(vector).buffer).toString("base64");

const defaultDimensions = 256;

/** `POST /v1/embeddings`: vectors that depend on the input alone. */
export const addEmbeddingsRoute = (
  app: App,
  { guard, reporter, misbehaviour, configured, models }: RouteDeps,
): void => {
  app.post("/v1/embeddings", async (request, reply) => {
    const body = parseBody(embeddingsBody, request.body);
    requireModel(models, body.model);
    const call = guard({
      headers: request.headers,
      model: body.model,
      body: request.rawBody,
      certificate: peerCertificateOf(request.raw.socket),
    });
    const behaviour = behaviourOf(configured, request.headers);
    if (await misbehaviour.before(reply, behaviour)) return reply;

    const items = itemsOf(body.input);
    const promptTokens = items.reduce((sum, { tokens }) => sum + tokens, 0);
    const signed = call.report({
      inputTokens: Math.max(0, promptTokens + behaviour.reportExtraTokens),
      cachedInputTokens: 0,
      outputTokens: 0,
    });
    if (signed !== undefined) {
      if (reporter.mode === "inline") reply.header(Header.countersignature, UsageReport.toHeader(signed));
      await reporter.emit(signed);
    }
    const dimensions = body.dimensions ?? defaultDimensions;
    return {
      object: "list",
      data: items.map(({ text }, index) => ({
        object: "embedding",
        index,
        embedding: encode(embed(text, dimensions), body.encoding_format ?? "float"),
      })),
      model: body.model,
      usage: { prompt_tokens: promptTokens, total_tokens: promptTokens },
    };
  });
};
