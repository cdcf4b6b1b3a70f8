import { Errors, type Tariff, Wire } from "@tac/protocol";
import { readChatTerms } from "./chatBody.ts";
import type { JsonObject } from "./json.ts";

/** A call as the caller wants it, before any price is known. */
export type WantedCall = {
  kind: Tariff.Kind;
  model: string;
  providerId: number | null;
  body: JsonObject;
  /** Bytes of the body, the caller's or the provider's, whichever are more; no tokenizer makes more tokens than bytes. */
  inputBytes: bigint;
  choices: bigint;
  maxOutputTokens: bigint | null;
  outputField: "max_tokens" | "max_completion_tokens";
  stream: boolean;
  wantsUsage: boolean;
};

const embeddingFields = new Set(["model", "input", "encoding_format", "dimensions", "user"]);

/** Errors: `invalid_request`, `cost_unbounded`. */
export function readWanted(
  kind: Tariff.Kind,
  model: unknown,
  body: JsonObject,
  inputBytes: number,
  providerId: number | null,
): WantedCall {
  const terms = {
    kind,
    model: Wire.parse(Wire.modelName, model),
    providerId,
    body,
    inputBytes: BigInt(inputBytes),
  };
  if (kind === "chat") return { ...terms, ...readChatTerms(body) };
  if (kind === "embeddings") refuseOtherFields(body);
  return {
    ...terms,
    choices: 1n,
    maxOutputTokens: 0n,
    outputField: "max_tokens",
    stream: false,
    wantsUsage: false,
  };
}

function refuseOtherFields(body: JsonObject): void {
  if (body.input === undefined) {
    throw Errors.fromCode("invalid_request", { param: "input", detail: "input is missing." });
  }
  for (const field of Object.keys(body)) {
    if (!embeddingFields.has(field)) {
      throw Errors.fromCode("cost_unbounded", {
        param: field,
        detail: `The cost of ${field} has no bound here.`,
      });
    }
  }
}

/**
 * The body for the provider, written anew from what was parsed, so that no second reading of duplicate keys exists.
 * The output bound is always in it, and a stream always ends with its usage.
 */
export function providerBody(wanted: WantedCall, outputTokensPerChoice: bigint): string {
  if (wanted.kind === "http") return JSON.stringify(wanted.body);
  if (wanted.kind === "embeddings") return JSON.stringify({ ...wanted.body, model: wanted.model });
  return JSON.stringify({
    ...wanted.body,
    model: wanted.model,
    [wanted.outputField]: Number(outputTokensPerChoice),
    ...(wanted.stream ? { stream_options: { include_usage: true } } : {}),
  });
}
