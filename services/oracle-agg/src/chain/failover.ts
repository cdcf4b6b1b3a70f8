import { createTransport, type Transport } from "viem";

/** How long an endpoint that failed is asked last. */
const REST_MS = 15_000;

/** Answers that any sound endpoint would give alike: a revert, bad parameters, a transaction that is refused. */
const FINAL_CODES = new Set([3, -32_600, -32_601, -32_602, -32_003]);

/**
 * Asks RPC endpoints in order of preference, and one that failed a short while ago last, so that a dead endpoint costs its
 * time-out once and not on every read.
 */
export const failover =
  (transports: readonly Transport[], onEndpoint: (place: number, isUp: boolean) => void): Transport =>
  (settings) => {
    const endpoints = transports.map((transport, place) => ({
      place,
      restsUntilMs: 0,
      transport: transport({ ...settings, retryCount: 0 }),
    }));
    const request = async (call: { method: string; params?: unknown }): Promise<unknown> => {
      const now = Date.now();
      const inTurn = [...endpoints].sort(
        (left, right) =>
          Number(left.restsUntilMs > now) - Number(right.restsUntilMs > now) || left.place - right.place,
      );
      let problem: unknown = new Error("There is no RPC endpoint.");
      for (const endpoint of inTurn) {
        try {
          const answer: unknown = await endpoint.transport.request(call as never);
          if (endpoint.restsUntilMs > 0) onEndpoint(endpoint.place, true);
          endpoint.restsUntilMs = 0;
          return answer;
        } catch (error) {
          if (isFinal(error)) throw error;
          if (endpoint.restsUntilMs === 0) onEndpoint(endpoint.place, false);
          endpoint.restsUntilMs = Date.now() + REST_MS;
          problem = error;
        }
      }
      throw problem;
    };
    return createTransport({
      key: "failover",
      name: "failover",
      type: "failover",
      request: request as never,
      retryCount: 0,
    });
  };

const isFinal = (error: unknown): boolean =>
  error instanceof Error &&
  "code" in error &&
  typeof error.code === "number" &&
  (FINAL_CODES.has(error.code) || /revert/i.test(error.message));
