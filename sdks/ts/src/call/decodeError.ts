import { type ErrorCode, Errors, Header } from "@tac/protocol";
import { z } from "zod";
import { type Answer, headerOf } from "./Answer.ts";
import {
  AuthenticationError,
  type CallContext,
  CallError,
  ConflictError,
  CreditError,
  PermissionError,
  RateLimitError,
  ServerError,
} from "./errors.ts";
import { parseRetryAfterMs } from "./retryPolicy.ts";

/** The error body of an OpenAI-compatible server; `code` may be one this protocol does not know. */
const bodySchema = z.object({
  error: z.object({
    message: z.string(),
    type: z.string().nullish(),
    param: z.string().nullish(),
    code: z.union([z.string(), z.number()]).nullish(),
  }),
});

/** RFC 9457, which the services answer with outside `/v1`. */
const problemSchema = z.object({ detail: z.string(), code: z.string(), param: z.string().optional() });

type Decoded = { message: string; code: string | undefined; param: string | undefined };

/** The protocol's error code in an answer, or undefined when the server sent none that is known. */
export function errorCodeOf(answer: Answer): ErrorCode | undefined {
  const code = decodeBody(answer.body)?.code;
  return code !== undefined && Errors.isErrorCode(code) ? code : undefined;
}

/** The error of an answer with status 400 or above, as the subclass that fits the status. */
export function decodeError(answer: Answer): CallError {
  const decoded = decodeBody(answer.body);
  return toCallError(answer.status, decoded, {
    requestId: headerOf(answer, Header.requestId),
    receiptId: headerOf(answer, Header.receiptId),
    retryAfterMs: parseRetryAfterMs(headerOf(answer, "retry-after"), Date.now()),
  });
}

/** The error that a server put into an event stream, or undefined when the event is none. */
export function decodeStreamError(event: unknown): CallError | undefined {
  const decoded = decodeJson(event);
  return decoded && toCallError(undefined, decoded, {});
}

function toCallError(
  status: number | undefined,
  decoded: Decoded | undefined,
  context: CallContext,
): CallError {
  const known = decoded?.code !== undefined && Errors.isErrorCode(decoded.code) ? decoded.code : undefined;
  const code = known ?? fallbackCode(status ?? 502);
  const detail = decoded?.message ?? `The server answered with status ${status ?? 502} and no reason.`;
  const details = {
    ...context,
    detail,
    httpStatus: status ?? Errors.catalogue[code].status,
    upstreamCode: known === undefined ? decoded?.code : undefined,
    ...(decoded?.param === undefined ? {} : { param: decoded.param }),
  };
  switch (details.httpStatus) {
    case 401:
      return new AuthenticationError(code, details);
    case 402:
      return new CreditError(code, details);
    case 403:
      return new PermissionError(code, details);
    case 409:
      return new ConflictError(code, details);
    case 429:
      return new RateLimitError(code, details);
    default:
      return details.httpStatus >= 500 ? new ServerError(code, details) : new CallError(code, details);
  }
}

function decodeBody(body: Answer["body"]): Decoded | undefined {
  if (!Buffer.isBuffer(body)) return undefined;
  try {
    return decodeJson(JSON.parse(body.toString("utf8")));
  } catch (cause) {
    // A proxy in between may answer with HTML; the status then says all that is known.
    if (cause instanceof SyntaxError) return undefined;
    throw cause;
  }
}

function decodeJson(json: unknown): Decoded | undefined {
  const openAi = bodySchema.safeParse(json);
  if (openAi.success) {
    const { message, code, param } = openAi.data.error;
    return { message, code: code?.toString(), param: param ?? undefined };
  }
  const problem = problemSchema.safeParse(json);
  if (!problem.success) return undefined;
  return { message: problem.data.detail, code: problem.data.code, param: problem.data.param };
}

function fallbackCode(status: number): ErrorCode {
  if (status === 401) return "invalid_proof";
  if (status === 402) return "credit_exhausted";
  if (status === 413) return "body_too_large";
  if (status === 415) return "unsupported_media_type";
  if (status === 429) return "rate_limited";
  if (status === 504) return "provider_timeout";
  return status >= 500 ? "provider_error" : "invalid_request";
}
