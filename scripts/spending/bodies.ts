/** What the simulated provider is told by the body's metadata, which a gateway passes on. */
export type Simulation = {
  latencyMs?: number;
  tokenLatencyMs?: number;
  outputTokens?: number;
  /** Never answers. */
  hangs?: boolean;
  /** Answers with this status. */
  fails?: number;
};

/** A chat body of the same length whatever its content stands for, so that every call holds the same amount. */
export const chatBody = (
  { latencyMs, tokenLatencyMs, outputTokens, hangs, fails }: Simulation,
  fields: object = {},
): object => ({
  model: "sim-chat-small",
  max_tokens: 20,
  messages: [{ role: "user", content: "How much is left?" }],
  metadata: {
    ...(latencyMs === undefined ? {} : { "x-sim-latency-ms": String(latencyMs) }),
    ...(tokenLatencyMs === undefined ? {} : { "x-sim-token-latency-ms": String(tokenLatencyMs) }),
    ...(outputTokens === undefined ? {} : { "x-sim-output-tokens": String(outputTokens) }),
    ...(hangs === true ? { "x-sim-hang": "true" } : {}),
    ...(fails === undefined ? {} : { "x-sim-status": String(fails) }),
  },
  ...fields,
});
