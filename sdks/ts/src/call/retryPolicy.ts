import { setTimeout as sleep } from "node:timers/promises";
import pRetry from "p-retry";
import type { Answer } from "./Answer.ts";

export type RetryOptions = {
  /** Repeats after the first attempt. */
  maxRetries: number;
  /** The first repeat waits a random time below this; each further one below twice as much. */
  baseDelayMs: number;
  maxDelayMs: number;
};

/** Thrown by an attempt that may be repeated; `retryAfterMs` is what the server asked for. */
export class RetryableFailure extends Error {
  override readonly name = "RetryableFailure";
  readonly outcome: { answer: Answer } | { error: Error };
  readonly retryAfterMs: number | undefined;

  constructor(outcome: { answer: Answer } | { error: Error }, retryAfterMs?: number) {
    super("The attempt may be repeated.");
    this.outcome = outcome;
    this.retryAfterMs = retryAfterMs;
  }
}

/**
 * Repeats `attempt` while it throws RetryableFailure, with exponential back-off and full jitter, or after the
 * time the server asked for. A server that asks for more than `maxDelayMs` ends the attempts, so that a caller
 * never waits longer than it configured. The last RetryableFailure is thrown as it is.
 */
export function withRetries<Value>(
  attempt: () => Promise<Value>,
  options: RetryOptions,
  signal?: AbortSignal,
): Promise<Value> {
  return pRetry(attempt, {
    retries: options.maxRetries,
    minTimeout: 0,
    signal,
    async shouldRetry({ error, retriesConsumed }) {
      if (!(error instanceof RetryableFailure)) return false;
      const { retryAfterMs } = error;
      if (retryAfterMs !== undefined && retryAfterMs > options.maxDelayMs) return false;
      await sleep(retryAfterMs ?? jitteredDelayMs(retriesConsumed, options), undefined, { signal });
      return true;
    },
  });
}

/** Repeats `attempt` while it fails with an error that `isTooEarly` knows; throws the last error. */
export async function retryWhile<Value>(
  isTooEarly: (error: Error) => boolean,
  attempt: () => Promise<Value>,
  options: RetryOptions,
  signal?: AbortSignal,
): Promise<Value> {
  const marked = async () => {
    try {
      return await attempt();
    } catch (error) {
      throw error instanceof Error && isTooEarly(error) ? new RetryableFailure({ error }) : error;
    }
  };
  try {
    return await withRetries(marked, options, signal);
  } catch (failure) {
    throw failure instanceof RetryableFailure && "error" in failure.outcome ? failure.outcome.error : failure;
  }
}

function jitteredDelayMs(retriesConsumed: number, options: RetryOptions): number {
  return Math.random() * Math.min(options.maxDelayMs, options.baseDelayMs * 2 ** retriesConsumed);
}

/** Milliseconds of a Retry-After header, RFC 9110 section 10.2.3: seconds or an HTTP date. */
export function parseRetryAfterMs(header: string | undefined, nowMs: number): number | undefined {
  if (header === undefined) return undefined;
  if (/^[0-9]{1,9}$/.test(header)) return Number(header) * 1000;
  const dateMs = Date.parse(header);
  return Number.isNaN(dateMs) ? undefined : Math.max(0, dateMs - nowMs);
}
