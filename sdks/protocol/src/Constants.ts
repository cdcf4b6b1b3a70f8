/** Names of the HTTP headers of the protocol, lowercase as Node reports them. */
export const Header = {
  usageAuth: "usage-auth",
  dpop: "dpop",
  dpopNonce: "dpop-nonce",
  idempotencyKey: "idempotency-key",
  requestId: "x-request-id",
  receiptId: "x-receipt-id",
  jobId: "x-job-id",
  callerProof: "x-dpop-proof",
  costNano: "x-cost-nano",
  shouldRetry: "x-should-retry",
  countersignature: "x-usage-report",
  provider: "x-provider-id",
  peer: "x-peer",
  peerTimestamp: "x-peer-timestamp",
  peerSignature: "x-peer-signature",
} as const;

/** Largest sizes that are parsed at all, in bytes; anything longer is refused unread. */
export const USAGE_AUTH_MAX_BYTES = 4096;
export const DPOP_MAX_BYTES = 4096;
export const BODY_MAX_BYTES = 10 * 1024 * 1024;

/** RFC 9266 `tls-exporter` channel binding: label, empty context, length in bytes. */
export const EXPORTER_LABEL = "EXPORTER-Channel-Binding";
export const EXPORTER_LENGTH_BYTES = 32;

/** Longest lifetime of a Usage-Auth token. */
export const USAGE_AUTH_MAX_LIFETIME_SECONDS = 3600;

/** How far the clocks of two honest parties may be apart. */
export const CLOCK_SKEW_SECONDS = 5;
export const PEER_MAX_SKEW_MS = 30_000;

export const ZERO_BYTES32 = `0x${"00".repeat(32)}` as const;
