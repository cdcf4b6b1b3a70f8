import type { KeyObject } from "node:crypto";
import { FetchError } from "@tac/kit";
import { PeerAuth } from "@tac/protocol";
import { type Dispatcher, request } from "undici";
import type { z } from "zod";

/** Who speaks: the replica's id as the `x-peer` name, and the key behind it. */
export type PeerIdentity = { peer: string; nodeKey: KeyObject };

export type SignedRequest = {
  baseUrl: string;
  method: "GET" | "POST";
  /** Request target with its query. */
  path: string;
  body?: unknown;
  timeoutMs: number;
  maxBytes?: number;
  dispatcher?: Dispatcher;
};

export type SignedCall<Schema extends z.ZodType> = SignedRequest & { schema: Schema };

/** The remote understood and said no; `reasons` are its own. */
export class PeerRefused extends Error {
  override name = "PeerRefused";
  readonly status: number;
  readonly reasons: readonly string[];
  constructor(status: number, reasons: readonly string[]) {
    super(`answered ${status}: ${reasons.join("; ")}`);
    this.status = status;
    this.reasons = reasons;
  }
}

const MAX_BYTES = 64 * 1024 * 1024;

/**
 * Calls another node over HTTP with an Ed25519 signature over method, path, time and body.
 * @throws PeerRefused for an answer of 4xx, FetchError for everything that is worth another try.
 */
export const signedCall = async <Schema extends z.ZodType>(
  identity: PeerIdentity,
  call: SignedCall<Schema>,
): Promise<z.output<Schema>> => {
  const { text, status, url } = await signedText(identity, call);
  const parsed = call.schema.safeParse(parse(text));
  if (parsed.success) return parsed.data;
  throw new FetchError("unexpected_shape", url, parsed.error.message, { status, cause: parsed.error });
};

/** `signedCall` for a caller that reads the text of the answer itself. */
export const signedText = async (
  identity: PeerIdentity,
  call: SignedRequest,
): Promise<{ text: string; status: number; url: string }> => {
  const { method, path, timeoutMs, maxBytes = MAX_BYTES } = call;
  const url = new URL(path, call.baseUrl).href;
  const body = call.body === undefined ? undefined : JSON.stringify(call.body);
  const signature = PeerAuth.sign(
    { method, path, timestampMs: Date.now(), peer: identity.peer, ...(body === undefined ? {} : { body }) },
    identity.nodeKey,
  );
  const signal = AbortSignal.timeout(timeoutMs);
  let status: number;
  let text: string;
  try {
    const response = await request(url, {
      method,
      headers: { ...signature, ...(body === undefined ? {} : { "content-type": "application/json" }) },
      ...(body === undefined ? {} : { body }),
      ...(call.dispatcher === undefined ? {} : { dispatcher: call.dispatcher }),
      signal,
    });
    status = response.statusCode;
    text = await readText(response.body, maxBytes);
  } catch (cause) {
    const reason = signal.aborted ? "timeout" : "network";
    throw new FetchError(reason, url, cause instanceof Error ? cause.message : "unreachable", { cause });
  }
  if (status >= 400 && status < 500 && status !== 429) throw new PeerRefused(status, reasonsOf(parse(text)));
  if (status < 200 || status > 299) throw new FetchError("status", url, `answered ${status}`, { status });
  return { text, status, url };
};

const readText = async (body: AsyncIterable<Buffer>, maxBytes: number): Promise<string> => {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.length;
    if (size > maxBytes) throw new Error(`the answer exceeds ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
};

const parse = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    // An answer that is no JSON fails the schema below, or is reported by its status.
    return undefined;
  }
};

const reasonsOf = (answer: unknown): string[] => {
  if (typeof answer !== "object" || answer === null) return ["no reason given"];
  if ("reasons" in answer && Array.isArray(answer.reasons)) return answer.reasons.map(String);
  if ("detail" in answer) return [String(answer.detail)];
  if (
    "error" in answer &&
    typeof answer.error === "object" &&
    answer.error !== null &&
    "message" in answer.error
  )
    return [String(answer.error.message)];
  return ["no reason given"];
};
