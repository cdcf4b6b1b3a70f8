type Entry = {
  readonly status: number;
  readonly title: string;
  readonly hint: string;
  readonly retryable: boolean;
};

/** Every error a service of the system answers with: HTTP status, title, what to do next, worth retrying. */
export const catalogue = {
  invalid_request: entry(400, "The request is malformed", "Correct the field named in `param`."),
  cost_unbounded: entry(
    400,
    "The cost of the call has no bound",
    "Send max_tokens, or a model with an output limit.",
  ),
  unknown_model: entry(404, "No such model", "List the models with GET /v1/models."),
  unknown_provider: entry(404, "No such provider", "List the tariffs to see the providers on offer."),
  unknown_tariff: entry(404, "No such tariff", "List the tariffs with GET /v1/tariffs."),
  unknown_job: entry(404, "No such job", "Check the job id and the gateway it was locked at."),
  unknown_receipt: entry(404, "No such receipt", "Check the receipt id; it is in the x-receipt-id header."),
  unknown_task: entry(404, "No such task", "Check the task id the orchestrator answered with."),
  unknown_budget: entry(404, "No such budget", "Set it with PUT on the same path."),
  unknown_route: entry(404, "No such route", "Check the method and the path."),
  not_settled: entry(
    404,
    "Not settled yet",
    "Ask again after the next batch has been committed on chain.",
    true,
  ),
  invalid_signature: entry(401, "The signature is not valid", "Sign with the key named in the document."),
  unauthorized: entry(401, "The credentials are not valid", "Send a valid token as Authorization: Bearer."),
  invalid_capability: entry(401, "The capability is not valid", "Sign a new capability for a new quote."),
  capability_expired: entry(401, "The capability has expired", "Sign a new capability for a new quote."),
  capability_not_yet_valid: entry(
    401,
    "The capability is not valid yet",
    "Wait until validAfter, or check your clock.",
    true,
  ),
  invalid_usage_auth: entry(
    401,
    "The Usage-Auth token is not valid",
    "Lock the job again to get a fresh token.",
  ),
  usage_auth_expired: entry(
    401,
    "The Usage-Auth token has expired",
    "Lock the job again to get a fresh token; nothing is charged twice.",
    true,
  ),
  invalid_proof: entry(401, "The DPoP proof is not valid", "Make a new proof for this very request."),
  use_dpop_nonce: entry(
    401,
    "The DPoP proof lacks a fresh nonce",
    "Repeat the request with the nonce of the dpop-nonce header.",
    true,
  ),
  proof_replayed: entry(401, "The DPoP proof was used before", "Make a new proof with a new jti.", true),
  binding_mismatch: entry(
    401,
    "The proof belongs to another TLS connection",
    "Make the proof from the exporter of the connection that carries the request.",
    true,
  ),
  binding_unsupported: entry(
    403,
    "This gateway cannot bind a capability to a TLS connection",
    "Sign a nonce-bound capability, or use a gateway that ends the TLS connection itself.",
  ),
  certificate_required: entry(
    403,
    "The connection lacks the certificate this needs",
    "Connect with the TLS client certificate that was issued for this very key.",
  ),
  capability_revoked: entry(403, "The capability has been revoked", "Ask the tenant for a new capability."),
  wrong_job: entry(403, "The token is for another job", "Use the token that was issued for this job."),
  provider_not_allowed: entry(
    403,
    "The job may not use this provider",
    "Use a provider of the quoted plan, or quote a new plan.",
  ),
  model_not_allowed: entry(
    403,
    "The job may not use this model",
    "Use a model of the quoted plan, or quote a new plan.",
  ),
  quote_expired: entry(409, "The quote has expired", "Ask for a new quote."),
  quote_mismatch: entry(409, "The capability is for another quote", "Sign the capability for this quote."),
  job_not_locked: entry(409, "The job has no lock", "Lock the job first with POST /v1/jobs/lock."),
  not_yet_releasable: entry(
    409,
    "The lock may not be released yet",
    "Close the job to get its credit back sooner, or wait for the time in the error.",
  ),
  job_closed: entry(409, "The job is closed", "Quote and lock a new job."),
  idempotency_conflict: entry(
    409,
    "The idempotency key belongs to another request",
    "Use a new Idempotency-Key for a different body.",
  ),
  call_running: entry(
    409,
    "The first call of this Idempotency-Key is still running",
    "Repeat the call with the same key in a second; it is charged once.",
    true,
  ),
  calls_running: entry(
    409,
    "Calls of the job are still running",
    "Wait for them to end, then close the job.",
    true,
  ),
  over_budget: entry(
    402,
    "A budget is used up",
    "Wait for the budget's next window, ask whoever set it for more, or spend less.",
  ),
  over_max_cost: entry(
    402,
    "The call may cost more than the caller signed",
    "Raise maxCostNano in the proof, or lower max_tokens.",
  ),
  credit_exhausted: entry(402, "The credit of the job is used up", "Quote and lock a new job."),
  policy_refused: entry(
    403,
    "The policy forbids this",
    "Ask the operator which models and texts are allowed.",
  ),
  rate_limited: entry(429, "Too many requests", "Wait for the seconds in Retry-After.", true),
  body_too_large: entry(413, "The body is too large", "Send a smaller one; that of a call may have 10 MiB."),
  unsupported_media_type: entry(415, "The media type is not supported", "Send application/json."),
  provider_error: entry(502, "The provider failed", "Repeat the call with the same Idempotency-Key.", true),
  provider_timeout: entry(
    504,
    "The provider did not answer in time",
    "Repeat the call with the same Idempotency-Key.",
    true,
  ),
  chain_unavailable: entry(503, "The chain cannot be reached", "Repeat the call in a few seconds.", true),
  store_unavailable: entry(503, "The store cannot be reached", "Repeat the call in a few seconds.", true),
  revocations_unavailable: entry(
    503,
    "Revocations may have been missed",
    "Repeat the call in a few seconds; no call passes while the list of revocations is too old.",
    true,
  ),
  internal: entry(500, "An unexpected error", "Report the request id to the operator.", true),
} as const satisfies Record<string, Entry>;

function entry(status: number, title: string, hint: string, retryable = false): Entry {
  return { status, title, hint, retryable };
}

export type ErrorCode = keyof typeof catalogue;

/** `detail` says what happened in this case; `param` names the offending field or header. */
export type ErrorContext = { detail?: string; param?: string; cause?: unknown };

/** Body of an `application/problem+json` answer, RFC 9457. */
export type Problem = {
  type: string;
  title: string;
  status: number;
  detail: string;
  code: ErrorCode;
  hint: string;
  retryable: boolean;
  param?: string;
};

export type OpenAiError = {
  error: { message: string; type: string; param: string | null; code: ErrorCode };
};

// Details quote what a stranger sent, a field's name for one, and no answer may grow with it.
const MAX_DETAIL_CHARS = 1_000;
const MAX_PARAM_CHARS = 200;

function clipped(text: string, maxChars: number): string {
  return text.length <= maxChars ? text : `${text.slice(0, maxChars - 1)}…`;
}

/** The one error of the protocol. `code` is stable; `message` is for people. */
export class ProtocolError extends Error {
  override readonly name = "ProtocolError";
  readonly code: ErrorCode;
  readonly status: number;
  readonly title: string;
  readonly hint: string;
  readonly retryable: boolean;
  readonly param: string | undefined;

  constructor(code: ErrorCode, context: ErrorContext = {}) {
    const { status, title, hint, retryable } = catalogue[code];
    const detail = context.detail === undefined ? title : clipped(context.detail, MAX_DETAIL_CHARS);
    super(detail, context.cause === undefined ? undefined : { cause: context.cause });
    this.code = code;
    this.status = status;
    this.title = title;
    this.hint = hint;
    this.retryable = retryable;
    this.param = context.param === undefined ? undefined : clipped(context.param, MAX_PARAM_CHARS);
  }

  toProblem(): Problem {
    return {
      type: `urn:tac:error:${this.code}`,
      title: this.title,
      status: this.status,
      detail: this.message,
      code: this.code,
      hint: this.hint,
      retryable: this.retryable,
      ...(this.param === undefined ? {} : { param: this.param }),
    };
  }

  /** The shape every OpenAI client understands; the hint is part of the message. */
  toOpenAi(): OpenAiError {
    return {
      error: {
        message: `${/[.!?]$/.test(this.message) ? this.message : `${this.message}.`} ${this.hint}`,
        type: openAiType(this.status),
        param: this.param ?? null,
        code: this.code,
      },
    };
  }
}

export function fromCode(code: ErrorCode, context: ErrorContext = {}): ProtocolError {
  return new ProtocolError(code, context);
}

export function isErrorCode(text: string): text is ErrorCode {
  return Object.hasOwn(catalogue, text);
}

function openAiType(status: number): string {
  if (status === 401) return "authentication_error";
  if (status === 402) return "insufficient_quota";
  if (status === 403) return "permission_error";
  if (status === 429) return "rate_limit_error";
  return status >= 500 ? "api_error" : "invalid_request_error";
}
