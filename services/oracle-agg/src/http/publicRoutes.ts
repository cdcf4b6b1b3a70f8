import type { App } from "@tac/kit";
import { parseParams } from "@tac/kit";
import { Errors, type Line, Wire } from "@tac/protocol";
import { z } from "zod";
import type { AggregatorSet } from "../keys/AggregatorSet.ts";
import type { KeyShare } from "../keys/KeyShare.ts";
import { batchParams } from "../peers/PeerPort.ts";
import { type Runtime, Waiting } from "../Runtime.ts";
import { keyHashOf } from "../replica/Context.ts";
import type { Replica } from "../replica.ts";
import type { BatchStore } from "../store/BatchStore.ts";
import { batchBodyToJson, signedReceiptToJson } from "../store/content.ts";
import { voteToJson } from "../store/voteJson.ts";
import { findDecision } from "./findDecision.ts";
import { ReceiptProofs } from "./ReceiptProofs.ts";
import { runningReplica } from "./runningReplica.ts";

const MAX_REJECTIONS = 1_000;

export type PublicRoutesOptions = {
  runtime: Runtime;
  set: AggregatorSet;
  replica: number;
  readKey: () => KeyShare | null;
};

/** What anyone may read: batches, receipts with their proofs, rejections, the group's public key. */
export const addPublicRoutes = (app: App, { runtime, set, replica, readKey }: PublicRoutesOptions): void => {
  const running = (): Replica => runningReplica(runtime);
  let proofs: { store: BatchStore; found: ReceiptProofs } | null = null;
  const proofsOf = (store: BatchStore): ReceiptProofs => {
    if (proofs?.store !== store) proofs = { store, found: new ReceiptProofs(store) };
    return proofs.found;
  };

  app.get("/v1/batches/:batchNumber", async (request) => {
    const { batchNumber } = parseParams(batchParams, request.params);
    const { lane } = parseParams(
      z.object({ lane: z.coerce.number().int().default(set.laneId) }),
      request.query,
    );
    const body = lane === set.laneId ? await running().context.batches.batch(batchNumber) : null;
    if (body === null)
      throw Errors.fromCode("not_settled", {
        detail: `Batch ${batchNumber} of lane ${lane} is not committed here.`,
      });
    const outcomes = await running().context.batches.outcomes(batchNumber);
    return {
      ...batchBodyToJson(body),
      outcomes: outcomes.map(({ jobId, providerId, outcome }) => ({
        jobId,
        providerId,
        ...outcomeToJson(outcome),
      })),
    };
  });

  app.get("/v1/batches/:batchNumber/decision", async (request) => {
    const { batchNumber } = parseParams(batchParams, request.params);
    const decision = await findDecision(running().context, batchNumber);
    if (decision === null)
      throw Errors.fromCode("not_settled", { detail: `Nothing was decided here on batch ${batchNumber}.` });
    return decision;
  });

  app.get("/v1/misdeeds", async () => {
    const misdeeds = await running().context.votes.misdeeds(MAX_REJECTIONS);
    return misdeeds.map(({ batchNumber, evidence, ...misdeed }) => ({
      ...misdeed,
      batchNumber: batchNumber.toString(),
      evidence: evidence.map(voteToJson),
    }));
  });

  app.get("/v1/receipts/:receiptId", async (request) => {
    const { receiptId } = parseParams(z.object({ receiptId: Wire.bytes32 }), request.params);
    const settled = await proofsOf(running().context.batches).find(receiptId);
    if (settled === null)
      throw Errors.fromCode("not_settled", { detail: `Receipt ${receiptId} is in no committed batch yet.` });
    const { batchNumber, proof } = settled;
    const { jobId, providerId } = settled.receipt;
    const line = (await running().context.batches.outcomes(batchNumber)).find(
      (one) => one.jobId === jobId && one.providerId === providerId,
    );
    // A line is paid as one sum, so a receipt in it has the line's status and no amount of its own.
    return {
      ...signedReceiptToJson(settled),
      batchNumber: batchNumber.toString(),
      proof,
      lineOutcome: line === undefined ? null : outcomeToJson(line.outcome),
    };
  });

  app.get("/v1/rejections", async () => {
    const rejections = await running().context.feeds.rejections(MAX_REJECTIONS);
    return rejections.map((rejection) => ({ ...rejection, seq: rejection.seq.toString() }));
  });

  app.get("/v1/key", async () => {
    const key = readKey();
    if (key === null)
      throw Errors.fromCode("store_unavailable", { detail: "The key ceremony has not been held yet." });
    const { groupPublicKey, possessionProof, publicShares, threshold, transcriptHash } = key;
    const keyEpoch = await epochOf(runtime, key);
    return { groupPublicKey, possessionProof, publicShares, threshold, keyEpoch, transcriptHash };
  });

  app.get("/v1/status", async () => {
    const key = readKey();
    const shared = { replica, laneId: set.laneId, threshold: set.threshold, replicas: set.replicas.length };
    try {
      return {
        ...shared,
        hasKey: key !== null,
        state: "running",
        ...(await describeReplica(runtime.replica())),
      };
    } catch (error) {
      if (!(error instanceof Waiting)) throw error;
      return { ...shared, hasKey: key !== null, state: error.name };
    }
  });
};

const outcomeToJson = ({ paidNano, feeNano, releasedNano, receiptCount, status }: Line.LineOutcome) => ({
  paidNano: paidNano.toString(),
  feeNano: feeNano.toString(),
  releasedNano: releasedNano.toString(),
  receiptCount,
  status,
});

/** The epoch in which the lane's key is ours; null while it is not on chain. */
const epochOf = async (runtime: Runtime, key: KeyShare): Promise<number | null> => {
  try {
    const { context, follower } = runtime.replica();
    const block = follower.followed ?? (await follower.follow());
    const lane = await context.chain.laneOf(context.set.laneId, block);
    return lane.keyHash === keyHashOf(key) ? lane.keyEpoch : null;
  } catch (error) {
    if (error instanceof Waiting) return null;
    throw error;
  }
};

const describeReplica = async ({ context, follower }: Replica) => {
  const { feeds, batches, deliveries, nowMs } = context;
  const [states, applied, oldest, events, undelivered] = await Promise.all([
    feeds.feeds(),
    batches.lastApplied(),
    feeds.oldestPendingMs(),
    feeds.pendingCount(),
    deliveries.pendingCount(),
  ]);
  return {
    followedBlock: follower.followed?.toString() ?? null,
    lastBatchNumber: applied?.batchNumber.toString() ?? null,
    receiptLagMs: oldest === null ? 0 : Number(nowMs() - oldest),
    pendingEvents: events,
    pendingDeliveries: undelivered,
    feeds: states.map(({ pulled, committed, headSeq, stoppedReason }) => ({
      gateway: pulled.gateway,
      pulledSeq: pulled.seq.toString(),
      committedSeq: committed.seq.toString(),
      headSeq: headSeq.toString(),
      stoppedReason,
    })),
  };
};
