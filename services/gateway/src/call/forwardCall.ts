import { Errors, Header } from "@tac/protocol";
import type { ProviderAnswer, ProviderPool } from "../upstream/ProviderPool.ts";
import type { AdmittedCall } from "./AdmittedCall.ts";
import type { Interruption } from "./Interruption.ts";
import { providerBody, type WantedCall } from "./wanted.ts";

const MAX_REFUSAL_BYTES = 64 * 1024;
const MAX_REFUSAL_CHARS = 500;

/** Sends an admitted call. Errors: `provider_error`, `provider_timeout`, and what the provider refused. */
export async function forwardCall(
  providers: ProviderPool,
  call: AdmittedCall,
  wanted: WantedCall,
  outputTokensPerChoice: bigint,
  interruption: Interruption,
): Promise<ProviderAnswer> {
  const answer = await providers.send({
    providerId: call.providerId,
    path: pathOf(wanted),
    body: providerBody(wanted, outputTokensPerChoice),
    headers: {
      accept: wanted.stream ? "text/event-stream" : "application/json",
      [Header.usageAuth]: call.usageAuthToken,
      [Header.callerProof]: call.proof,
      [Header.receiptId]: call.receiptId,
      [Header.jobId]: call.job.jobId,
    },
    interruption,
  });
  if (answer.status >= 200 && answer.status < 300) return answer;
  throw await refusalOf(answer);
}

function pathOf({ kind, model }: WantedCall): string {
  if (kind === "chat") return "/v1/chat/completions";
  if (kind === "embeddings") return "/v1/embeddings";
  return `/v1/http/${encodeURIComponent(model)}`;
}

/** A provider's refusal of the request is the caller's to correct; any other failure is the provider's. */
async function refusalOf(answer: ProviderAnswer): Promise<Errors.ProtocolError> {
  const detail = await explanationOf(answer);
  if ([400, 404, 413, 422].includes(answer.status)) {
    return Errors.fromCode("invalid_request", { detail: `The provider refused the request: ${detail}` });
  }
  if (answer.status === 429)
    return Errors.fromCode("rate_limited", { detail: "The provider is at its limit." });
  if (answer.status === 408 || answer.status === 504) return Errors.fromCode("provider_timeout");
  return Errors.fromCode("provider_error", { detail: `The provider answered ${answer.status}.` });
}

async function explanationOf(answer: ProviderAnswer): Promise<string> {
  const fallback = `status ${answer.status}.`;
  try {
    const parsed: unknown = JSON.parse((await readAll(answer, MAX_REFUSAL_BYTES)).toString("utf8"));
    const holder = typeof parsed === "object" && parsed !== null && "error" in parsed ? parsed.error : null;
    const hasMessage = typeof holder === "object" && holder !== null && "message" in holder;
    return hasMessage && typeof holder.message === "string"
      ? holder.message.slice(0, MAX_REFUSAL_CHARS)
      : fallback;
  } catch {
    // The explanation is a courtesy: without one, the status alone decides.
    return fallback;
  }
}

/** Reads a whole answer. Errors: `provider_error` when it is larger than `maxBytes`. */
export async function readAll(answer: ProviderAnswer, maxBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of answer.body as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > maxBytes) {
      answer.body.destroy();
      throw Errors.fromCode("provider_error", { detail: "The provider's answer is too large." });
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
