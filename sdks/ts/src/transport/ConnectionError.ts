/**
 * The network failed before an answer arrived. `retryable` is always true: every call of this client carries
 * an Idempotency-Key or changes nothing, so repeating it charges at most once.
 */
export class ConnectionError extends Error {
  override readonly name = "ConnectionError";
  readonly code = "connection_failed";
  readonly hint = "Check that the gateway's URL and CA are right and that it is up, then repeat the call.";
  readonly retryable = true;
}
