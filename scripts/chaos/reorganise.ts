import { setTimeout as sleep } from "node:timers/promises";
import { usageReceiptsAbi } from "@tac/contracts/abi";
import { getAbiItem } from "viem";
import type { Stack } from "../stack/Stack.ts";

const WAIT_MS = 60_000;

const event = getAbiItem({ abi: usageReceiptsAbi, name: "BatchCommitted" });

/**
 * Waits for two new batches and replaces the blocks from the first of them on by as many empty ones. The node forgets the
 * transactions that were in them, so the batches come back only if the replicas send them again.
 */
export const reorganise = async ({ chain: { client }, deployment }: Stack): Promise<void> => {
  const committed = () =>
    client.getLogs({ address: deployment.usageReceipts, event, fromBlock: deployment.startBlock });
  const { length } = await committed();
  let batches = await committed();
  for (const deadline = Date.now() + WAIT_MS; batches.length < length + 2; batches = await committed()) {
    if (Date.now() > deadline) throw new Error("There are no two new batches to reorganise out.");
    await sleep(200);
  }
  const [first, last] = batches.slice(-2);
  if (first === undefined || last === undefined) throw new Error("There are no two batches.");
  const depth = Number((await client.getBlockNumber({ cacheTime: 0 })) - first.blockNumber + 1n);
  await client.request<{ Method: "anvil_reorg"; Parameters: [number, never[]]; ReturnType: null }>({
    method: "anvil_reorg",
    params: [depth, []],
  });
  // The new blocks carry the old fork's time; without this the chain's clock would stay behind for good.
  await client.setNextBlockTimestamp({ timestamp: BigInt(Math.floor(Date.now() / 1_000)) });
  if ((await committed()).some(({ blockHash }) => blockHash === last.blockHash))
    throw new Error("The chain still has the batch that was to be reorganised out.");
};
