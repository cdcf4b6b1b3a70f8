import { setTimeout as sleep } from "node:timers/promises";
import { usageReceiptsAbi } from "@tac/contracts/abi";
import { createPublicClient, getAbiItem, type Hex, http } from "viem";
import type { Stack } from "../stack/Stack.ts";

/** A batch in a block that was the chain's at some time, whether it still is or not. */
export type SeenBatch = { batchNumber: bigint; batchHash: Hex; blockHash: Hex };

/** What the chain was seen to do, by the wall clock of the harness. */
export type BlockWatch = {
  /** When a block was first seen, Unix ms; null for one that was never seen. */
  seenAtMs: (blockHash: Hex) => number | null;
  batches: () => readonly SeenBatch[];
  /** Blocks that were seen and are no longer the chain's, and how many batches were in them. */
  orphaned: () => Promise<{ blocks: number; batches: number }>;
  stop: () => Promise<void>;
};

const POLL_MS = 200;
const TIMEOUT_MS = 2_000;

const batchCommitted = getAbiItem({ abi: usageReceiptsAbi, name: "BatchCommitted" });

/** Looks at the chain five times a second. A chain that is away is looked for again; what it mined meanwhile is found. */
export const watchBlocks = async ({ chain, deployment }: Stack): Promise<BlockWatch> => {
  const client = createPublicClient({
    transport: http(chain.rpcUrl, { timeout: TIMEOUT_MS, retryCount: 0 }),
    cacheTime: 0,
  });
  const seen = new Map<Hex, { number: bigint; seenAtMs: number }>();
  const batches: SeenBatch[] = [];
  const first = await client.getBlockNumber();
  let isStopped = false;

  const look = async (): Promise<void> => {
    let block = await client.getBlock({ blockTag: "latest" });
    const seenAtMs = Date.now();
    const news = [];
    while (!seen.has(block.hash) && block.number >= first) {
      news.unshift({ number: block.number, hash: block.hash });
      block = await client.getBlock({ blockHash: block.parentHash });
    }
    // Remembered from the oldest on, each with its batches, so that a failure on the way leaves no gap behind it.
    for (const { number, hash } of news) {
      const logs = await client.getLogs({
        address: deployment.usageReceipts,
        event: batchCommitted,
        blockHash: hash,
        strict: true,
      });
      for (const { args } of logs)
        batches.push({ batchNumber: args.batchNumber, batchHash: args.batchHash, blockHash: hash });
      seen.set(hash, { number, seenAtMs });
    }
  };
  const watching = (async () => {
    while (!isStopped) {
      // The chain is one of the things that are killed here; what was not seen is looked for in the next round.
      await look().catch(() => undefined);
      await sleep(POLL_MS);
    }
  })();
  return {
    seenAtMs: (blockHash) => seen.get(blockHash)?.seenAtMs ?? null,
    batches: () => batches,
    orphaned: async () => {
      const gone = new Set<Hex>();
      for (const [hash, { number }] of seen)
        if ((await client.getBlock({ blockNumber: number })).hash !== hash) gone.add(hash);
      return {
        blocks: gone.size,
        batches: batches.filter(({ blockHash }) => gone.has(blockHash)).length,
      };
    },
    stop: async () => {
      isStopped = true;
      await watching;
    },
  };
};
