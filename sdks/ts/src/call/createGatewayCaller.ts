import type { KeyObject } from "node:crypto";
import type { Readable } from "node:stream";
import { DpopProof, type ErrorCode, Header } from "@tac/protocol";
import type { Dispatcher } from "undici";
import type { Connection } from "../transport/Connection.ts";
import { ConnectionError } from "../transport/ConnectionError.ts";
import type { ConnectionPool } from "../transport/ConnectionPool.ts";
import { type Answer, headerOf } from "./Answer.ts";
import { errorCodeOf } from "./decodeError.ts";
import { parseRetryAfterMs, RetryableFailure, type RetryOptions, withRetries } from "./retryPolicy.ts";

/** What signs the proof of a request; the Usage-Auth token is asked for again on each attempt. */
export type Prover = {
  privateKey: KeyObject;
  /** `refused` is a token the gateway no longer accepts. Absent: the proof is for no token. */
  usageAuth?: (refused?: string) => Promise<string>;
  /** The most the caller pays for this call; signed into the proof. */
  maxCostNano?: bigint;
};

export type GatewayRequest = {
  method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** Path with query, from the gateway's origin. */
  path: string;
  body?: Uint8Array;
  headers?: Record<string, string>;
  /** Absent: the request needs no proof. */
  prover?: Prover;
  /** Overrides the client's retry policy for this request. */
  retry?: Partial<RetryOptions>;
  signal?: AbortSignal | undefined;
};

/**
 * Sends one request and gives the final answer, whatever its status. Proves it for the connection it goes out
 * on, proves again on a nonce challenge, a token that expired or a connection that changed, and repeats it on
 * network errors and retryable answers. Throws ConnectionError, or the signal's reason.
 */
export type GatewayCaller = (request: GatewayRequest) => Promise<Answer>;

export type CallerOptions = { origin: string; pool: ConnectionPool; retry: RetryOptions };

/** Refusals of one proof that a new proof cures. Each is tried once per attempt. */
const CURABLE: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  "use_dpop_nonce",
  "binding_mismatch",
  "proof_replayed",
  "usage_auth_expired",
  "invalid_usage_auth",
]);
const TOKEN_REFUSALS: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  "usage_auth_expired",
  "invalid_usage_auth",
]);

/** Refusals that time alone cures; a capability signed this second is valid once the chain's clock has caught up. */
const PASSING: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  "capability_not_yet_valid",
  "call_running",
  "calls_running",
]);

type Exchange = { answer: Answer; code: ErrorCode | undefined; usageAuth: string | undefined };

export function createGatewayCaller({ origin, pool, retry }: CallerOptions): GatewayCaller {
  let nonce: string | undefined;

  async function freshNonce(signal?: AbortSignal): Promise<string | undefined> {
    if (nonce === undefined) await exchange({ method: "GET", path: "/v1/nonce", signal });
    return nonce;
  }

  async function exchange(request: GatewayRequest, refusedToken?: string): Promise<Exchange> {
    const { prover, signal } = request;
    const usageAuth = await prover?.usageAuth?.(refusedToken);
    const proofNonce = prover && (await freshNonce(signal));
    const connection = await pool.acquire(signal);
    const response = await dispatch(connection, {
      origin,
      path: request.path,
      method: request.method,
      headers: {
        ...request.headers,
        ...(usageAuth === undefined ? {} : { [Header.usageAuth]: usageAuth }),
        ...(prover ? { [Header.dpop]: prove(request, prover, connection, usageAuth, proofNonce) } : {}),
      },
      body: request.body ?? null,
      signal: signal ?? null,
    });
    const issued = response.headers[Header.dpopNonce];
    if (typeof issued === "string") nonce = issued;
    const answer = await toAnswer(response, signal);
    const code = answer.status < 400 ? undefined : errorCodeOf(answer);
    if (code === "binding_mismatch") await connection.close();
    return { answer, code, usageAuth };
  }

  async function dispatch(
    connection: Connection,
    request: Dispatcher.RequestOptions,
  ): Promise<Dispatcher.ResponseData> {
    try {
      const response = await connection.request(request);
      response.body.once("close", () => pool.release(connection));
      return response;
    } catch (cause) {
      pool.release(connection);
      throw toConnectionError(cause, abortedSignal(request.signal));
    }
  }

  function prove(
    request: GatewayRequest,
    prover: Prover,
    connection: Connection,
    usageAuth: string | undefined,
    proofNonce: string | undefined,
  ): string {
    const idempotencyKey = request.headers?.[Header.idempotencyKey];
    return DpopProof.create(
      {
        method: request.method,
        url: `${origin}${request.path}`,
        nowSeconds: Math.floor(Date.now() / 1000),
        exporter: connection.exporter,
        // A request without a body is proven as one with an empty body, so that none can be added to it.
        body: request.body ?? "",
        ...(proofNonce === undefined ? {} : { nonce: proofNonce }),
        ...(usageAuth === undefined ? {} : { usageAuth }),
        ...(prover.maxCostNano === undefined ? {} : { maxCostNano: prover.maxCostNano }),
        ...(idempotencyKey === undefined ? {} : { idempotencyKey }),
      },
      prover.privateKey,
    );
  }

  async function attempt(request: GatewayRequest): Promise<Answer> {
    const cured = new Set<ErrorCode>();
    let refusedToken: string | undefined;
    for (;;) {
      const { answer, code, usageAuth } = await exchange(request, refusedToken);
      const isCurable = code !== undefined && request.prover && CURABLE.has(code) && !cured.has(code);
      if (!isCurable) return answer;
      cured.add(code);
      refusedToken = TOKEN_REFUSALS.has(code) ? usageAuth : undefined;
    }
  }

  return async (request) => {
    try {
      return await withRetries(
        () => attemptOrRetry(attempt, request),
        { ...retry, ...request.retry },
        request.signal,
      );
    } catch (failure) {
      if (!(failure instanceof RetryableFailure)) throw failure;
      const { outcome } = failure;
      if ("answer" in outcome) return outcome.answer;
      throw outcome.error;
    }
  };
}

async function attemptOrRetry(
  attempt: (request: GatewayRequest) => Promise<Answer>,
  request: GatewayRequest,
): Promise<Answer> {
  let answer: Answer;
  try {
    answer = await attempt(request);
  } catch (error) {
    if (error instanceof ConnectionError) throw new RetryableFailure({ error });
    throw error;
  }
  if (!isRetryable(answer)) return answer;
  throw new RetryableFailure({ answer }, parseRetryAfterMs(headerOf(answer, "retry-after"), Date.now()));
}

function isRetryable(answer: Answer): boolean {
  const verdict = headerOf(answer, Header.shouldRetry);
  if (answer.status < 400 || verdict === "false") return false;
  if (verdict === "true" || answer.status === 429 || answer.status >= 500) return true;
  const code = errorCodeOf(answer);
  return code !== undefined && PASSING.has(code);
}

/** Event streams are handed on; anything else is read here, so that an answer cut short is repeated. */
async function toAnswer(response: Dispatcher.ResponseData, signal: AbortSignal | undefined): Promise<Answer> {
  const { statusCode: status, headers, body } = response;
  const isStream = status < 400 && String(headers["content-type"]).startsWith("text/event-stream");
  return { status, headers, body: isStream ? body : await readAll(body, signal) };
}

async function readAll(body: Readable, signal: AbortSignal | undefined): Promise<Buffer> {
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of body) chunks.push(chunk);
  } catch (cause) {
    throw toConnectionError(cause, signal);
  }
  return Buffer.concat(chunks);
}

function abortedSignal(signal: unknown): AbortSignal | undefined {
  return signal instanceof AbortSignal ? signal : undefined;
}

/** A request the caller gave up fails with the caller's reason, any other with ConnectionError. */
export function toConnectionError(cause: unknown, signal: AbortSignal | undefined): unknown {
  if (signal?.aborted) return signal.reason;
  if (cause instanceof ConnectionError) return cause;
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new ConnectionError(`The connection failed: ${reason}.`, { cause });
}
