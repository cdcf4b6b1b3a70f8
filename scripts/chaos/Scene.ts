import { usageReceiptsAbi } from "@tac/contracts/abi";
import type { BatchBody } from "@tac/oracle-agg";
import { batchBodySchema, leaderOf } from "@tac/oracle-agg";
import { request } from "undici";
import { withDatabase } from "../spending/audit.ts";
import { openAgent } from "../stack/health.ts";
import { aggregatorIds } from "../stack/layout.ts";
import type { Stack } from "../stack/Stack.ts";
import { urlOf } from "../stack/urlOf.ts";
import type { Network, ReplicaId } from "./Network.ts";

/** What faults act on. */
export type Scene = { stack: Stack; network: Network };

export const laneId = 0;

/** The replica that leads the next batch first, and the others in the order in which they follow it. */
export const replicasFromLeader = async ({ stack: { chain, deployment } }: Scene): Promise<ReplicaId[]> => {
  const { nextBatchNumber } = await chain.client.readContract({
    address: deployment.usageReceipts,
    abi: usageReceiptsAbi,
    functionName: "laneOf",
    args: [laneId],
  });
  const turns = aggregatorIds.map((_, view) => leaderOf(nextBatchNumber, BigInt(view), aggregatorIds.length));
  return turns.map((turn) => {
    const id = aggregatorIds.find((one) => one === turn);
    if (id === undefined) throw new Error(`There is no replica ${turn}.`);
    return id;
  });
};

/** What a replica answers anyone, or null when it answers 404. */
const readReplica = async (stack: Stack, id: ReplicaId, path: string): Promise<unknown> => {
  const agent = openAgent(stack.certificates.caFile);
  try {
    const url = `${urlOf(stack.layout, `aggregator-${id}`)}${path}`;
    const { statusCode, body } = await request(url, {
      dispatcher: agent,
      signal: AbortSignal.timeout(10_000),
    });
    const text = await body.text();
    if (statusCode === 404) return null;
    if (statusCode !== 200) throw new Error(`${url} answered ${statusCode}: ${text.slice(0, 200)}`);
    return JSON.parse(text);
  } finally {
    await agent.close();
  }
};

/** Null for a batch that this replica does not have. */
export const readBatch = async (
  stack: Stack,
  id: ReplicaId,
  batchNumber: bigint,
): Promise<BatchBody | null> => {
  const body = await readReplica(stack, id, `/v1/batches/${batchNumber}`);
  return body === null ? null : batchBodySchema.parse(body);
};

export type ReplicaStatus = {
  lastBatchNumber: string | null;
  feeds: { committedSeq: string; stoppedReason: string | null }[];
};

export const readStatus = async (stack: Stack, id: ReplicaId): Promise<ReplicaStatus> =>
  (await readReplica(stack, id, "/v1/status")) as ReplicaStatus;

export type Misdeed = { replica: number; guilt: string; batchNumber: string };
export type Rejection = { seq: string; code: string; reason: string };

/** What a replica holds against others, and against events of the feed. */
export const readComplaints = async (
  stack: Stack,
  id: ReplicaId,
): Promise<{ misdeeds: Misdeed[]; rejections: Rejection[] }> => ({
  misdeeds: (await readReplica(stack, id, "/v1/misdeeds")) as Misdeed[],
  rejections: (await readReplica(stack, id, "/v1/rejections")) as Rejection[],
});

/** How far the gateway's feed has come. */
export const readFeedHead = (stack: Stack): Promise<bigint> =>
  withDatabase(stack, async (client) => {
    const { rows } = await client.query<{ seq: string }>("SELECT max(seq)::text AS seq FROM feed_events");
    return BigInt(rows[0]?.seq ?? 0);
  });
