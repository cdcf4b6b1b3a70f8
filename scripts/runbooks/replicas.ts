import { usageReceiptsAbi } from "@tac/contracts/abi";
import { laneId, readComplaints } from "../chaos/Scene.ts";
import { getJson } from "../e2e/support.ts";
import { aggregatorIds } from "../stack/layout.ts";
import { readMetrics } from "../stack/readMetrics.ts";
import type { Stack } from "../stack/Stack.ts";
import type { Scene } from "./Runbook.ts";

export type ReplicaId = (typeof aggregatorIds)[number];

/** What runbooks look at in `/v1/status`. */
export type ReplicaStatus = {
  state: string;
  laneEpoch: number | null;
  keyEpochs: number[];
  receiptLagMs?: number;
  followedBlock?: string | null;
};

export const statusOf = (stack: Stack, id: ReplicaId): Promise<ReplicaStatus> =>
  getJson<ReplicaStatus>(stack, `aggregator-${id}`, "/v1/status");

/** The lane as the chain's head has it. */
export const readLane = ({ chain, deployment }: Stack) =>
  chain.client.readContract({
    address: deployment.usageReceipts,
    abi: usageReceiptsAbi,
    functionName: "laneOf",
    args: [laneId],
  });

/** Beyond it receipts are late, docs/OPERATIONS.md. */
const LATE_MS = 15_000;
/** Blocks come every two seconds, and replicas ask for them. */
const BEHIND_BLOCKS = 5n;

const problemOf = (
  id: number,
  { state, laneEpoch, keyEpochs, receiptLagMs = LATE_MS, followedBlock }: ReplicaStatus,
  keyEpoch: number,
  head: bigint,
): string | null => {
  if (state !== "running") return `replica ${id} is ${state}`;
  if (laneEpoch !== keyEpoch) return `replica ${id} sees the lane in epoch ${laneEpoch}, not ${keyEpoch}`;
  if (keyEpochs.join() !== String(keyEpoch)) return `replica ${id} has shares of epochs ${keyEpochs.join()}`;
  if (BigInt(followedBlock ?? 0) + BEHIND_BLOCKS < head) return `replica ${id} is at block ${followedBlock}`;
  return receiptLagMs < LATE_MS ? null : `the receipts of replica ${id} are ${receiptLagMs} ms late`;
};

/** Waits until the lane is in this epoch, all replicas run with a share of it alone and are not late, and a new job settles. */
export const untilSound = async ({ stack, traffic, until }: Scene, keyEpoch: number): Promise<void> => {
  await until(
    `lane in epoch ${keyEpoch}, all run with its shares alone, receipts in time`,
    async () => {
      const lane = await readLane(stack);
      if (lane.keyEpoch !== keyEpoch) return `the lane is in epoch ${lane.keyEpoch}`;
      const head = await stack.chain.client.getBlockNumber();
      const statuses = await Promise.all(
        aggregatorIds.map(async (id) => problemOf(id, await statusOf(stack, id), keyEpoch, head)),
      );
      return statuses.find((problem) => problem !== null) ?? null;
    },
    180_000,
  );
  await until("a new job settles", async () => {
    await traffic.settlesNow();
    return null;
  });
};

/** Waits until each of these replicas shows metrics that match. */
export const untilMetrics = (
  { stack, until }: Scene,
  what: string,
  ids: readonly ReplicaId[],
  pattern: RegExp,
): Promise<void> =>
  until(what, async () => {
    const texts = await Promise.all(ids.map((id) => readMetrics(stack, `aggregator-${id}`)));
    const missing = ids.filter((_, index) => !pattern.test(texts[index] ?? ""));
    return missing.length === 0 ? null : `not so at replicas ${missing.join(", ")}`;
  });

export type Misdeeds = Awaited<ReturnType<typeof readComplaints>>["misdeeds"];

export const misdeedsSeenBy = async (stack: Stack, ids: readonly ReplicaId[]): Promise<Misdeeds> =>
  (await Promise.all(ids.map((id) => readComplaints(stack, id)))).flatMap(({ misdeeds }) => misdeeds);
