import { DpopProof, Header, Nano, ProtocolError } from "@tac/protocol";
import type { ClientCore } from "../ClientCore.ts";
import { type Answer, headerOf } from "../call/Answer.ts";
import { newIdempotencyKey } from "../call/callJson.ts";
import type { GatewayRequest } from "../call/createGatewayCaller.ts";
import { createIdempotencyKeys } from "../call/IdempotencyKeys.ts";
import { receiptIdOf } from "../call/receiptIdOf.ts";
import type { Job } from "../job/Job.ts";

export type FetchOptions = {
  /** The most one call may cost, in nanocredits; what remains of the job unless given. */
  maxCostNano?: bigint;
};

/** What the connection decides, what the proof decides, and what must not reach the gateway: a key for others. */
const DROPPED_HEADERS = new Set([
  "accept-encoding",
  "authorization",
  "connection",
  "content-length",
  "expect",
  "host",
  "keep-alive",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

const METHODS: ReadonlySet<string> = new Set(["GET", "POST", "PUT", "PATCH", "DELETE"]);

/** Set by OpenAI's client to the number of its own repeats of a call. */
const REPEAT_COUNT_HEADER = "x-stainless-retry-count";

/**
 * A WHATWG `fetch` whose calls are proven and paid for by one job, for the official `openai` client:
 * `new OpenAI({ baseURL: gatewayUrl + "/v1", apiKey: "unused", fetch: client.fetch(job) })`. Only the gateway
 * can be called with it. Answers with an error status are given back as they are, after this client's own
 * repeats, and tell the caller not to repeat them once more.
 */
export function jobFetch(core: ClientCore, job: Job, options: FetchOptions = {}): typeof globalThis.fetch {
  const keys = createIdempotencyKeys(newIdempotencyKey);

  return async (input, init) => {
    const request = new Request(input, init);
    const url = new URL(request.url);
    if (url.origin !== core.origin) {
      throw new ProtocolError("invalid_request", {
        detail: `This fetch calls ${core.origin} only; a proof for another origin would be refused anyway.`,
        param: "url",
      });
    }
    const body = request.body === null ? undefined : new Uint8Array(await request.arrayBuffer());
    const fingerprint = `${request.method} ${url.pathname}${url.search} ${DpopProof.bodyHash(body ?? "")}`;
    const isRepeat = Number(request.headers.get(REPEAT_COUNT_HEADER) ?? "0") > 0;
    const key = request.headers.get(Header.idempotencyKey) ?? keys.keyFor(fingerprint, isRepeat);
    const answer = await core.callGateway({
      method: toMethod(request.method),
      path: `${url.pathname}${url.search}`,
      headers: { ...forwardedHeaders(request.headers), [Header.idempotencyKey]: key },
      ...(body === undefined ? {} : { body }),
      prover: core.sessions.prover(job, options.maxCostNano ?? core.sessions.remainingNano(job)),
      signal: request.signal,
    });
    keys.succeeded(fingerprint, key);
    receiptIdOf(answer, job, key);
    const costNano = headerOf(answer, Header.costNano);
    if (costNano !== undefined) core.sessions.addSpent(job, Nano.parse(costNano));
    return toResponse(answer);
  };
}

function toMethod(method: string): GatewayRequest["method"] {
  if (METHODS.has(method)) return method as GatewayRequest["method"];
  throw new ProtocolError("invalid_request", { detail: `${method} is not supported.`, param: "method" });
}

function forwardedHeaders(headers: Headers): Record<string, string> {
  return Object.fromEntries([...headers].filter(([name]) => !DROPPED_HEADERS.has(name)));
}

const BODYLESS_STATUSES = new Set([204, 205, 304]);

function toResponse(answer: Answer): Response {
  const headers = new Headers();
  for (const [name, value] of Object.entries(answer.headers)) {
    for (const single of Array.isArray(value) ? value : [value ?? ""]) headers.append(name, single);
  }
  headers.delete("transfer-encoding");
  headers.delete("connection");
  if (answer.status >= 400) headers.set(Header.shouldRetry, "false");
  const body = Buffer.isBuffer(answer.body) ? new Uint8Array(answer.body) : ReadableStream.from(answer.body);
  return new Response(BODYLESS_STATUSES.has(answer.status) ? null : body, { status: answer.status, headers });
}
