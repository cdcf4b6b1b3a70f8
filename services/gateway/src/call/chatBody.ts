import { Errors } from "@tac/protocol";
import type { JsonObject } from "./json.ts";
import { isJsonObject, positiveInteger } from "./json.ts";

/** What a chat body says about its own cost. `maxOutputTokens` is per choice; null when the caller set none. */
export type ChatTerms = {
  choices: bigint;
  maxOutputTokens: bigint | null;
  outputField: "max_tokens" | "max_completion_tokens";
  stream: boolean;
  /** The caller itself asked for the usage chunk of a stream. */
  wantsUsage: boolean;
};

// Everything else may make a provider bill what the body does not show, so it is refused, not passed on.
const boundedFields = new Set(
  `model messages max_tokens max_completion_tokens n stream stream_options temperature top_p top_k min_p stop seed
   presence_penalty frequency_penalty repetition_penalty logit_bias logprobs top_logprobs user safety_identifier
   prompt_cache_key metadata response_format tools tool_choice parallel_tool_calls functions function_call
   reasoning_effort verbosity best_of`.split(/\s+/),
);
const boundedMessageFields = new Set(
  `role content name refusal tool_calls tool_call_id function_call reasoning_content reasoning annotations
   prefix`.split(/\s+/),
);
/** A part's text is in the field its type names; whatever else it brings could be content by reference. */
const textParts = new Set(["text", "refusal"]);
const MAX_CHOICES = 128n;

/**
 * Reads the cost terms of an OpenAI chat body. Errors: `cost_unbounded` for whatever could cost more than the bytes
 * of the body and max_tokens say (images by reference, built-in tools, unknown fields), `invalid_request`.
 */
export function readChatTerms(body: JsonObject): ChatTerms {
  for (const field of Object.keys(body)) {
    if (!boundedFields.has(field)) throw unbounded(field, `The cost of ${field} has no bound here.`);
  }
  refuseUnboundedMessages(body.messages);
  refuseUnboundedTools(body.tools);
  const { stream, stream_options: streamOptions } = body;
  if (stream !== undefined && stream !== null && typeof stream !== "boolean") {
    // A provider may read it as true, and stream an answer that nobody would pay for.
    throw Errors.fromCode("invalid_request", { param: "stream", detail: "stream must be true or false." });
  }
  return {
    choices: choicesOf(body),
    maxOutputTokens: maxOutputOf(body),
    outputField: body.max_completion_tokens === undefined ? "max_tokens" : "max_completion_tokens",
    stream: stream === true,
    wantsUsage: isJsonObject(streamOptions) && streamOptions.include_usage === true,
  };
}

/** `best_of` candidates are generated and paid for, though only `n` of them are returned. */
function choicesOf(body: JsonObject): bigint {
  const returned = positiveInteger(body.n, "n") ?? 1n;
  const generated = positiveInteger(body.best_of, "best_of") ?? 1n;
  const choices = returned > generated ? returned : generated;
  if (choices > MAX_CHOICES)
    throw Errors.fromCode("invalid_request", { param: "n", detail: "n is too large." });
  return choices;
}

function maxOutputOf(body: JsonObject): bigint | null {
  const classic = positiveInteger(body.max_tokens, "max_tokens");
  const current = positiveInteger(body.max_completion_tokens, "max_completion_tokens");
  if (classic !== null && current !== null) {
    throw Errors.fromCode("invalid_request", {
      param: "max_tokens",
      detail: "Send max_tokens or max_completion_tokens, not both.",
    });
  }
  return current ?? classic;
}

function refuseUnboundedMessages(messages: unknown): void {
  if (!Array.isArray(messages) || messages.length === 0) {
    throw Errors.fromCode("invalid_request", {
      param: "messages",
      detail: "messages must be a filled array.",
    });
  }
  for (const message of messages as unknown[]) {
    if (!isJsonObject(message)) {
      throw Errors.fromCode("invalid_request", { param: "messages", detail: "A message must be an object." });
    }
    for (const [field, value] of Object.entries(message)) {
      if (value !== null && !boundedMessageFields.has(field)) {
        throw unbounded("messages", `The cost of a message's ${field} has no bound here.`);
      }
    }
    refuseUnboundedContent(message.content);
  }
}

function refuseUnboundedContent(content: unknown): void {
  if (content === undefined || content === null || typeof content === "string") return;
  if (Array.isArray(content) && content.every(isTextPart)) return;
  throw unbounded("messages", "Only text parts have a cost that the body's bytes bound.");
}

function isTextPart(part: unknown): boolean {
  if (!isJsonObject(part) || typeof part.type !== "string" || !textParts.has(part.type)) return false;
  const { type } = part;
  return Object.entries(part).every(
    ([field, value]) => value === null || field === "type" || (field === type && typeof value === "string"),
  );
}

function refuseUnboundedTools(tools: unknown): void {
  if (tools === undefined) return;
  const isBounded =
    Array.isArray(tools) && tools.every((tool) => isJsonObject(tool) && tool.type === "function");
  if (!isBounded) throw unbounded("tools", "Only function tools have a bounded cost.");
}

function unbounded(param: string, detail: string) {
  return Errors.fromCode("cost_unbounded", { param, detail });
}
