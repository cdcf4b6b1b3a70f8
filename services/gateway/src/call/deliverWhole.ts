import { hash } from "node:crypto";
import { Errors, Header, UsageReport } from "@tac/protocol";
import { hexOf } from "../ledger/bytes.ts";
import type { StoredAnswer } from "../ledger/Capture.ts";
import type { ProviderAnswer } from "../upstream/ProviderPool.ts";
import { toProviderError } from "../upstream/ProviderPool.ts";
import type { AdmittedCall } from "./AdmittedCall.ts";
import { answerHeaders } from "./answerHeaders.ts";
import { type Charge, type ChargeDeps, prepareCharge } from "./chargeCall.ts";
import { readAll } from "./forwardCall.ts";
import type { Interruption } from "./Interruption.ts";
import { isJsonObject, type JsonObject } from "./json.ts";
import { estimateTokens, meteredUnits, outputBytes, readUsage, type TokenCounts } from "./units.ts";
import type { WantedCall } from "./wanted.ts";

export type WholeAnswer = { status: number; headers: Record<string, string>; body: Buffer };

export type DeliveryTerms = {
  /** The start of what the call's duration is counted from, by `performance.now()`. */
  startedAtMs: number;
  /** Null when the provider never reports by itself. */
  reportWaitMs: number | null;
  maxAnswerBytes: number;
  maxStoredBytes: number;
  interruption: Interruption;
};

/** An answer to deliver, and the charge that is to be committed, together with the stored answer, whatever becomes of it. */
export type ChargedAnswer = { answer: WholeAnswer; commit: Charge["commit"] };

/** Takes a whole answer and says what it costs. Errors: `provider_error`, `provider_timeout`. */
export async function deliverWhole(
  deps: ChargeDeps,
  call: AdmittedCall,
  wanted: WantedCall,
  answer: ProviderAnswer,
  terms: DeliveryTerms,
): Promise<ChargedAnswer> {
  const body = await readAll(answer, terms.maxAnswerBytes).catch((cause: unknown) => {
    throw toProviderError(cause, terms.interruption);
  });
  const tokens = tokensOf(wanted, body);
  const headers = answerHeaders(call, answer, contentTypeOf(wanted, answer));
  const stored = (nano: bigint): StoredAnswer => ({
    status: answer.status,
    headers: { ...headers, [Header.costNano]: nano.toString() },
    body: body.length <= terms.maxStoredBytes ? body : null,
  });
  const { costNano, commit } = await prepareCharge(deps, call, {
    metered: meteredUnits(tokens, call.prices, performance.now() - terms.startedAtMs),
    responseHash: hexOf(hash("sha256", body, "buffer")),
    outcome: "complete",
    report: reportOf(deps, answer),
    reportWaitMs: terms.reportWaitMs,
    answer: stored,
  });
  return { answer: { ...stored(costNano), body }, commit };
}

function tokensOf(wanted: WantedCall, body: Buffer): TokenCounts {
  if (wanted.kind === "http") return { inputTokens: 0n, cachedInputTokens: 0n, outputTokens: 0n };
  const answer = parseAnswer(body);
  const usage = readUsage(wanted.kind, answer);
  if (usage !== null) return usage;
  return {
    inputTokens: estimateTokens(wanted.inputBytes),
    cachedInputTokens: 0n,
    outputTokens: estimateTokens(outputBytes(wanted.kind, answer)),
  };
}

function parseAnswer(body: Buffer): JsonObject {
  let answer: unknown;
  try {
    answer = JSON.parse(body.toString("utf8"));
  } catch {
    // The parser's own message quotes the answer, which belongs into no log.
    throw Errors.fromCode("provider_error", { detail: "The provider's answer is not JSON." });
  }
  if (isJsonObject(answer)) return answer;
  throw Errors.fromCode("provider_error", { detail: "The provider's answer is not a JSON object." });
}

function contentTypeOf(wanted: WantedCall, answer: ProviderAnswer): string {
  const type = answer.headers["content-type"];
  return wanted.kind === "http" && typeof type === "string" && type.startsWith("application/json")
    ? "application/json"
    : wanted.kind === "http"
      ? "application/octet-stream"
      : "application/json";
}

/** The provider's report in its answer; a malformed one counts as none. */
export function reportOf(
  { logger }: ChargeDeps,
  answer: ProviderAnswer,
): UsageReport.SignedUsageReport | null {
  const header = answer.headers[Header.countersignature];
  return typeof header === "string" ? parseReport({ logger }, header) : null;
}

export function parseReport(
  { logger }: Pick<ChargeDeps, "logger">,
  encoded: string,
): UsageReport.SignedUsageReport | null {
  try {
    return UsageReport.fromHeader(encoded);
  } catch (error) {
    logger.warn({ err: error }, "a usage report is malformed");
    return null;
  }
}
