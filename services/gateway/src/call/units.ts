import type { Pricing, Tariff } from "@tac/protocol";
import { least } from "./bigints.ts";
import { count, isJsonObject, type JsonObject } from "./json.ts";

/** Token counts out of a provider's answer; null when it reported none. */
export type TokenCounts = { inputTokens: bigint; cachedInputTokens: bigint; outputTokens: bigint };

/**
 * The `usage` object of OpenAI chat and embedding answers, null unless every count the kind has is there. Cached
 * tokens are taken out of the prompt's count.
 */
export function readUsage(kind: Tariff.Kind, answer: JsonObject): TokenCounts | null {
  const { usage } = answer;
  if (!isJsonObject(usage)) return null;
  const prompt = count(usage.prompt_tokens);
  const output = kind === "embeddings" ? 0n : count(usage.completion_tokens);
  if (prompt === null || output === null) return null;
  const details = usage.prompt_tokens_details;
  const reportedCached = isJsonObject(details) ? (count(details.cached_tokens) ?? 0n) : 0n;
  const cached = least(reportedCached, prompt);
  return {
    inputTokens: prompt - cached,
    cachedInputTokens: cached,
    outputTokens: output,
  };
}

const BYTES_PER_TOKEN = 4n;

/** A usual token of text is about four bytes; used only where the provider counts nothing. */
export function estimateTokens(bytes: bigint): bigint {
  return (bytes + BYTES_PER_TOKEN - 1n) / BYTES_PER_TOKEN;
}

/** What was metered, as units of the tariff. Duration counts only where it has a price. */
export function meteredUnits(tokens: TokenCounts, prices: Pricing.Prices, durationMs: number): Pricing.Units {
  return {
    ...tokens,
    requests: 1n,
    durationMs: prices.durationMsNano === 0n ? 0n : BigInt(Math.max(0, Math.ceil(durationMs))),
  };
}

/** Cuts units down to the bound that was held, so that their cost cannot exceed the hold. */
export function withinBound(units: Pricing.Units, bound: Pricing.Units): Pricing.Units {
  const cachedInputTokens = least(units.cachedInputTokens, bound.inputTokens);
  return {
    inputTokens: least(units.inputTokens, bound.inputTokens - cachedInputTokens),
    cachedInputTokens,
    outputTokens: least(units.outputTokens, bound.outputTokens),
    requests: least(units.requests, bound.requests),
    durationMs: least(units.durationMs, bound.durationMs),
  };
}

export function sameUnits(left: Pricing.Units, right: Pricing.Units): boolean {
  return (
    left.inputTokens === right.inputTokens &&
    left.cachedInputTokens === right.cachedInputTokens &&
    left.outputTokens === right.outputTokens &&
    left.requests === right.requests &&
    left.durationMs === right.durationMs
  );
}

/** UTF-8 bytes of the text an answer carries; the basis of the estimate. */
export function outputBytes(kind: Tariff.Kind, answer: JsonObject): bigint {
  if (kind !== "chat" || !Array.isArray(answer.choices)) return 0n;
  return (answer.choices as unknown[]).reduce<bigint>(
    (sum, choice) => sum + (isJsonObject(choice) ? textBytes(choice.message) : 0n),
    0n,
  );
}

/** Text of a message or of a stream's delta: content, refusal, reasoning and the arguments of tool calls. */
export function textBytes(message: unknown): bigint {
  if (!isJsonObject(message)) return 0n;
  let bytes = 0;
  for (const field of ["content", "refusal", "reasoning_content", "reasoning"]) {
    const text = message[field];
    if (typeof text === "string") bytes += Buffer.byteLength(text);
  }
  const calls = [message.function_call, ...(Array.isArray(message.tool_calls) ? message.tool_calls : [])];
  for (const call of calls as unknown[]) {
    const target = isJsonObject(call) && isJsonObject(call.function) ? call.function : call;
    if (!isJsonObject(target)) continue;
    for (const text of [target.name, target.arguments]) {
      if (typeof text === "string") bytes += Buffer.byteLength(text);
    }
  }
  return BigInt(bytes);
}
