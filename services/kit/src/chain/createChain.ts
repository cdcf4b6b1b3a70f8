import { createPublicClient, defineChain, fallback, http, type PublicClient, type Transport } from "viem";
import { completeLogs } from "./completeLogs.ts";

export type Chain = PublicClient<Transport, ReturnType<typeof chainOf>>;

export type ChainSettings = {
  /** In order of preference; the next is asked when one fails. */
  rpcUrls: readonly string[];
  chainId: number;
  /** Deadline of one RPC call. */
  timeoutMs?: number;
  /** How often receipts and blocks are polled. */
  pollMs?: number;
};

export const chainOf = ({ rpcUrls, chainId }: Pick<ChainSettings, "rpcUrls" | "chainId">) =>
  defineChain({
    id: chainId,
    name: `chain ${chainId}`,
    nativeCurrency: { name: "Ether", symbol: "ETH", decimals: 18 },
    rpcUrls: { default: { http: rpcUrls } },
  });

export const transportOf = ({ rpcUrls, timeoutMs = 5_000 }: ChainSettings) =>
  fallback(
    rpcUrls.map((url) => completeLogs(http(url, { timeout: timeoutMs, retryCount: 1, retryDelay: 100 }))),
    { rank: false, retryCount: 1, retryDelay: 200 },
  );

/** A client to read the chain, with a deadline on each call and fail-over between the RPC URLs. */
export const createChain = (settings: ChainSettings): Chain =>
  createPublicClient({
    chain: chainOf(settings),
    transport: transportOf(settings),
    pollingInterval: settings.pollMs ?? 500,
    cacheTime: 0,
  });

/**
 * Refuses an RPC endpoint of another chain, on which every signature of this deployment would be void.
 * @throws Error that names both chain ids.
 */
export const assertChainId = async (chain: Chain): Promise<void> => {
  const actual = await chain.getChainId();
  if (actual === chain.chain.id) return;
  throw new Error(
    `The RPC endpoint serves chain ${actual}, but this deployment is on chain ${chain.chain.id}; set RPC_URLS`,
  );
};
