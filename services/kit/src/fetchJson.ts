import { type Dispatcher, request } from "undici";
import type { z } from "zod";

export type FetchFailure = "timeout" | "network" | "status" | "too_large" | "not_json" | "unexpected_shape";

/** A remote call that gave no usable answer. `status` and `code` (of the remote's own error) are set when there was one. */
export class FetchError extends Error {
  override readonly name = "FetchError";
  readonly reason: FetchFailure;
  readonly url: string;
  readonly status: number | undefined;
  readonly code: string | undefined;
  /** Worth repeating: the remote did not answer, or answered 429 or 5xx. */
  readonly retryable: boolean;

  constructor(
    reason: FetchFailure,
    url: string,
    detail: string,
    { status, code, cause }: { status?: number; code?: string | undefined; cause?: unknown } = {},
  ) {
    super(`${url}: ${detail}`, cause === undefined ? undefined : { cause });
    this.reason = reason;
    this.url = url;
    this.status = status;
    this.code = code;
    this.retryable =
      reason === "timeout" ||
      reason === "network" ||
      (status !== undefined && (status === 429 || status >= 500));
  }
}

/** Credentials and query strings do not belong in error texts. */
const display = (url: string): string => {
  const { protocol, host, pathname } = new URL(url);
  return `${protocol}//${host}${pathname}`;
};

const remoteCode = (body: unknown): string | undefined => {
  if (typeof body !== "object" || body === null) return undefined;
  const holder: unknown = "error" in body ? body.error : body;
  if (typeof holder !== "object" || holder === null || !("code" in holder)) return undefined;
  return typeof holder.code === "string" ? holder.code : undefined;
};

const parseJson = (text: string): { value: unknown } | undefined => {
  try {
    return { value: JSON.parse(text) };
  } catch {
    return undefined;
  }
};

/**
 * Calls a JSON API within a deadline that covers the whole answer, and parses it with `schema`.
 * Redirects are not followed. `bodyText` is sent as it is, for callers that signed those bytes.
 *
 * @throws {@link FetchError}
 */
export const fetchJson = async <Schema extends z.ZodType>(
  url: string,
  {
    schema,
    timeoutMs = 5_000,
    maxBytes = 10 * 1024 * 1024,
    method,
    body,
    bodyText = body === undefined ? undefined : JSON.stringify(body),
    headers = {},
    dispatcher,
  }: {
    schema: Schema;
    timeoutMs?: number;
    maxBytes?: number;
    method?: Dispatcher.HttpMethod;
    body?: unknown;
    bodyText?: string | undefined;
    headers?: Readonly<Record<string, string>>;
    dispatcher?: Dispatcher;
  },
): Promise<z.output<Schema>> => {
  const shown = display(url);
  const signal = AbortSignal.timeout(timeoutMs);
  let status: number;
  let text: string;
  try {
    const response = await request(url, {
      method: method ?? (bodyText === undefined ? "GET" : "POST"),
      headers: {
        accept: "application/json",
        ...(bodyText === undefined ? {} : { "content-type": "application/json" }),
        ...headers,
      },
      ...(bodyText === undefined ? {} : { body: bodyText }),
      ...(dispatcher === undefined ? {} : { dispatcher }),
      signal,
    });
    status = response.statusCode;
    const chunks: Buffer[] = [];
    let size = 0;
    for await (const chunk of response.body as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > maxBytes)
        throw new FetchError("too_large", shown, `the answer exceeds ${maxBytes} bytes`, { status });
      chunks.push(chunk);
    }
    text = Buffer.concat(chunks).toString("utf8");
  } catch (cause) {
    if (cause instanceof FetchError) throw cause;
    if (signal.aborted) throw new FetchError("timeout", shown, `no answer within ${timeoutMs} ms`, { cause });
    throw new FetchError("network", shown, cause instanceof Error ? cause.message : "unreachable", { cause });
  }
  const parsed = parseJson(text);
  if (status < 200 || status > 299) {
    throw new FetchError("status", shown, `answered ${status}`, { status, code: remoteCode(parsed?.value) });
  }
  if (parsed === undefined) throw new FetchError("not_json", shown, "the answer is not JSON", { status });
  const result = schema.safeParse(parsed.value);
  if (result.success) return result.data;
  throw new FetchError("unexpected_shape", shown, `unexpected answer: ${result.error.message}`, {
    status,
    cause: result.error,
  });
};
