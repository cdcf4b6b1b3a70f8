import type { Transport } from "viem";

/**
 * Makes an endpoint refuse a log query that runs past its own head. A node that is behind answers such a query with the
 * logs it has and no error, and after a fail-over whoever follows the chain would miss the rest for ever.
 */
export const completeLogs =
  (transport: Transport): Transport =>
  (settings) => {
    const endpoint = transport(settings);
    const request: typeof endpoint.request = async (call) => {
      const { method, params } = call as { method: string; params?: unknown };
      const last = method === "eth_getLogs" ? lastBlockOf(params) : null;
      if (last !== null) {
        const answer: unknown = await endpoint.request({ method: "eth_blockNumber" });
        const head = typeof answer === "string" ? BigInt(answer) : -1n;
        if (head < last)
          throw new Error(`The endpoint is at block ${head}, logs up to ${last} are asked for.`);
      }
      return endpoint.request(call);
    };
    return { ...endpoint, request };
  };

/** The last block of a log query; null when the query names none, or by a tag. */
const lastBlockOf = (params: unknown): bigint | null => {
  const filter: unknown = Array.isArray(params) ? params[0] : undefined;
  if (typeof filter !== "object" || filter === null || !("toBlock" in filter)) return null;
  const { toBlock } = filter;
  return typeof toBlock === "string" && /^0x[0-9a-f]+$/i.test(toBlock) ? BigInt(toBlock) : null;
};
