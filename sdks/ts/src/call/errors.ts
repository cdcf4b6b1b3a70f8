import { type ErrorCode, type Errors, ProtocolError } from "@tac/protocol";

/** Where an error came from; every member may be unknown. */
export type CallContext = {
  requestId?: string | undefined;
  /** Set when the call was charged before it failed. */
  receiptId?: string | undefined;
  retryAfterMs?: number | undefined;
};

type CallDetails = Errors.ErrorContext &
  CallContext & { httpStatus: number; upstreamCode?: string | undefined };

/** An error the gateway answered with: `code`, `title`, `hint` and `retryable` are of the protocol's catalogue. */
export class CallError extends ProtocolError {
  readonly httpStatus: number;
  readonly requestId: string | undefined;
  readonly receiptId: string | undefined;
  readonly retryAfterMs: number | undefined;
  /** The provider's own code, when it is not one of the protocol. */
  readonly upstreamCode: string | undefined;

  constructor(code: ErrorCode, details: CallDetails) {
    super(code, details);
    this.httpStatus = details.httpStatus;
    this.requestId = details.requestId;
    this.receiptId = details.receiptId;
    this.retryAfterMs = details.retryAfterMs;
    this.upstreamCode = details.upstreamCode;
  }
}

/** 401: the proof, the token or the capability was not accepted. */
export class AuthenticationError extends CallError {}
/** 402: the credit, or what the caller signed for this call, does not cover the worst case. */
export class CreditError extends CallError {}
/** 403: the capability is revoked, or does not cover the provider or model. */
export class PermissionError extends CallError {}
/** 409: the quote, the job or the idempotency key is in another state. */
export class ConflictError extends CallError {}
/** 429: `retryAfterMs` says how long to wait. */
export class RateLimitError extends CallError {}
/** 5xx: the gateway, the provider, the store or the chain failed. */
export class ServerError extends CallError {}
