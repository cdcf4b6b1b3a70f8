/** The TypeScript client of tokenised-api-credits: quote, lock, run, settlement. */
export type { ClosedJob, CloseOptions } from "./actions/close.ts";
export type { InvoiceOptions } from "./actions/invoice.ts";
export type { FetchOptions } from "./actions/jobFetch.ts";
export type { LockOptions } from "./actions/lock.ts";
export type { QuoteOptions } from "./actions/quote.ts";
export type { ReceiptOptions, SignedReceipt } from "./actions/receipt.ts";
export { LockNotReleasableError, type ReleasedJob, type ReleaseOptions } from "./actions/release.ts";
export type { RunOptions } from "./actions/run.ts";
export type { JobSettlement, JobStatus, SettlementOptions } from "./actions/settlement.ts";
export {
  AuthenticationError,
  CallError,
  ConflictError,
  CreditError,
  PermissionError,
  RateLimitError,
  ServerError,
} from "./call/errors.ts";
export type { RetryOptions } from "./call/retryPolicy.ts";
export { type Client, type ClientOptions, createClient } from "./createClient.ts";
export { type ExportedJob, type ExportOptions, withHolderKey } from "./job/exportJob.ts";
export { type Holder, importHolder } from "./job/HolderKeyring.ts";
export type { Job, JobOwner, LockReference, QuotedJob } from "./job/Job.ts";
export { type CallResult, embeddingsOf, textOf } from "./run/CallResult.ts";
export type { RunEvent } from "./run/RunEvent.ts";
export type { StepInput, StepInputs, StepResults } from "./run/StepInput.ts";
export type { EthersSigner, Tenant, Wallet } from "./tenant/TenantSigner.ts";
export { ConnectionError } from "./transport/ConnectionError.ts";
