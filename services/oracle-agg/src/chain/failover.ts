import { createTransport, type Transport } from "viem";

/** How often an endpoint that failed is tried. */
const PROBE_MS = 15_000;

/** Answers that any sound endpoint would give alike: a revert, bad parameters, a transaction that is refused. */
const FINAL_CODES = new Set([3, -32_600, -32_601, -32_602, -32_003]);

type Endpoint = {
  place: number;
  isUp: boolean;
  probeAtMs: number;
  request: (call: { method: string; params?: unknown }) => Promise<unknown>;
};

/**
 * Asks RPC endpoints in order of preference, and those that failed last. A failed one is tried with a call of its own
 * beside the others, so that a dead endpoint costs its time-out once, not every time it might have come back.
 */
export const failover =
  (transports: readonly Transport[], onEndpoint: (place: number, isUp: boolean) => void): Transport =>
  (settings) => {
    const endpoints = transports.map((transport, place): Endpoint => {
      const { request } = transport({ ...settings, retryCount: 0 });
      return { place, isUp: true, probeAtMs: 0, request: request as Endpoint["request"] };
    });
    const ask = async (endpoint: Endpoint, call: Parameters<Endpoint["request"]>[0]): Promise<unknown> => {
      try {
        const answer = await endpoint.request(call);
        note(endpoint, true);
        return answer;
      } catch (error) {
        note(endpoint, isFinal(error));
        throw error;
      }
    };
    const note = (endpoint: Endpoint, isUp: boolean): void => {
      if (!isUp) endpoint.probeAtMs = Date.now() + PROBE_MS;
      if (endpoint.isUp !== isUp) onEndpoint(endpoint.place, isUp);
      endpoint.isUp = isUp;
    };
    const probe = (endpoint: Endpoint): void => {
      endpoint.probeAtMs = Date.now() + PROBE_MS;
      // What it answers is of no use to anybody; that it fails still is noted.
      ask(endpoint, { method: "eth_blockNumber" }).catch(() => undefined);
    };
    const request = async (call: { method: string; params?: unknown }): Promise<unknown> => {
      const inTurn = [...endpoints].sort(
        (left, right) => Number(right.isUp) - Number(left.isUp) || left.place - right.place,
      );
      if (inTurn[0]?.isUp)
        for (const endpoint of inTurn)
          if (!endpoint.isUp && Date.now() >= endpoint.probeAtMs) probe(endpoint);
      let problem: unknown = new Error("There is no RPC endpoint.");
      for (const endpoint of inTurn) {
        try {
          return await ask(endpoint, call);
        } catch (error) {
          if (isFinal(error)) throw error;
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
