import { Header } from "@tac/protocol";
import type { ProviderAnswer } from "../upstream/ProviderPool.ts";
import type { AdmittedCall } from "./AdmittedCall.ts";

const passedOn = ["openai-model", "openai-processing-ms", "openai-version"] as const;

/** Headers of an answer: the provider's only from a short list, so that none of its cookies or policies pass. */
export function answerHeaders(
  call: AdmittedCall,
  answer: ProviderAnswer,
  contentType: string,
): Record<string, string> {
  const headers: Record<string, string> = {
    "content-type": contentType,
    "cache-control": "no-store",
    [Header.receiptId]: call.receiptId,
    [Header.provider]: call.providerId.toString(),
  };
  for (const name of passedOn) {
    const value = answer.headers[name];
    if (typeof value === "string" && /^[\x20-\x7e]{1,256}$/.test(value)) headers[name] = value;
  }
  return headers;
}
