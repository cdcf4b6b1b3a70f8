import { ProtocolError } from "@tac/protocol";
import { z } from "zod";

/** How the simulator behaves for one call. */
export type Behaviour = {
  /** Before the first byte. */
  latencyMs: number;
  /** Before each token, streamed or not. */
  tokenLatencyMs: number;
  /** Chance of failing, 0 to 1. */
  failureRate: number;
  /** HTTP status of a failure. */
  failureStatus: number;
  /** Never answer. */
  hang: boolean;
  /** Length of the answer before max_tokens cuts it; chosen from the prompt when undefined. */
  outputTokens: number | undefined;
  /** How many of the prompt's tokens count as cached. */
  cachedTokens: number;
  /** Break the connection after so many streamed tokens. */
  cutAfterTokens: number | undefined;
  /** Send headers that only a gateway may send. */
  hostileHeaders: boolean;
  /** What the signed report claims beyond the truth, to test disagreement; may be negative. */
  reportExtraTokens: number;
};

const count = z.coerce.number().int().min(0).max(1_000_000);

const controlSchema = z.strictObject({
  "x-sim-latency-ms": count.optional(),
  "x-sim-token-latency-ms": count.optional(),
  "x-sim-failure-rate": z.coerce.number().min(0).max(1).optional(),
  "x-sim-status": z.coerce.number().int().min(400).max(599).optional(),
  "x-sim-hang": z.enum(["true", "false"]).optional(),
  "x-sim-output-tokens": count.optional(),
  "x-sim-cached-tokens": count.optional(),
  "x-sim-cut-after": count.optional(),
  "x-sim-hostile-headers": z.enum(["true", "false"]).optional(),
  "x-sim-report-extra-tokens": z.coerce.number().int().min(-1_000_000).max(1_000_000).optional(),
});

const named = (source: Readonly<Record<string, unknown>>): [string, unknown][] =>
  Object.entries(source).filter(([name]) => name.startsWith("x-sim-"));

/**
 * The behaviour of one call: the configured one, changed by `x-sim-*` entries of the body's `metadata` and then by
 * `x-sim-*` headers. Metadata passes through a gateway; headers do not.
 *
 * @throws ProtocolError `invalid_request` for an unknown or malformed control, so that a test cannot misspell one.
 */
export const behaviourOf = (
  configured: Behaviour,
  headers: Readonly<Record<string, unknown>>,
  metadata: Readonly<Record<string, unknown>> = {},
): Behaviour => {
  const entries = [...named(metadata), ...named(headers)];
  if (entries.length === 0) return configured;
  const result = controlSchema.safeParse(Object.fromEntries(entries));
  if (!result.success) {
    throw new ProtocolError("invalid_request", {
      detail: z.prettifyError(result.error),
      param: "x-sim",
      cause: result.error,
    });
  }
  const control = result.data;
  const status = control["x-sim-status"];
  return {
    latencyMs: control["x-sim-latency-ms"] ?? configured.latencyMs,
    tokenLatencyMs: control["x-sim-token-latency-ms"] ?? configured.tokenLatencyMs,
    // A status without a rate means: fail now.
    failureRate: control["x-sim-failure-rate"] ?? (status === undefined ? configured.failureRate : 1),
    failureStatus: status ?? configured.failureStatus,
    hang: control["x-sim-hang"] === undefined ? configured.hang : control["x-sim-hang"] === "true",
    outputTokens: control["x-sim-output-tokens"] ?? configured.outputTokens,
    cachedTokens: control["x-sim-cached-tokens"] ?? configured.cachedTokens,
    cutAfterTokens: control["x-sim-cut-after"] ?? configured.cutAfterTokens,
    hostileHeaders:
      control["x-sim-hostile-headers"] === undefined
        ? configured.hostileHeaders
        : control["x-sim-hostile-headers"] === "true",
    reportExtraTokens: control["x-sim-report-extra-tokens"] ?? configured.reportExtraTokens,
  };
};
