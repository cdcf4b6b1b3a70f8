import type { App } from "@tac/kit";
import { parseParams } from "@tac/kit";
import { Errors, type Line, Wire } from "@tac/protocol";
import { z } from "zod";
import { isKeyOf, type KeyRing } from "../keys/KeyRing.ts";
import type { SetBook } from "../keys/SetBook.ts";
import { batchParams } from "../peers/PeerPort.ts";
import { type Runtime, Waiting } from "../Runtime.ts";
import type { Replica } from "../replica.ts";
import type { BatchStore } from "../store/BatchStore.ts";
import { batchBodyToJson, signedReceiptToJson } from "../store/content.ts";
import { voteToJson } from "../store/voteJson.ts";
import { findDecision } from "./findDecision.ts";
import { ReceiptProofs } from "./ReceiptProofs.ts";
import { runningReplica } from "./runningReplica.ts";

const MAX_REJECTIONS = 1_000;
const MAX_NAMED = 10;

export type PublicRoutesOptions = {
  runtime: Runtime;
  book: SetBook;
  replica: number;
  ring: KeyRing;
};

/** What anyone may read: batches, receipts with their proofs, rejections, the group's public key. */
export const addPublicRoutes = (app: App, { runtime, book, replica, ring }: PublicRoutesOptions): void => {
  const running = (): Replica => runningReplica(runtime);
  let proofs: { store: BatchStore; found: ReceiptProofs } | null = null;
  const proofsOf = (store: BatchStore): ReceiptProofs => {
    if (proofs?.store !== store) proofs = { store, found: new ReceiptProofs(store) };
    return proofs.found;
  };

  app.get("/v1/batches/:batchNumber", async (request) => {
    const { batchNumber } = parseParams(batchParams, request.params);
    const { lane } = parseParams(z.object({ lane: z.coerce.number().int().optional() }), request.query);
    const { laneId } = running().context.set;
    const body = (lane ?? laneId) === laneId ? await running().context.batches.batch(batchNumber) : null;
    if (body === null)
      throw Errors.fromCode("not_settled", {
        detail: `Batch ${batchNumber} of lane ${lane ?? laneId} is not committed here.`,
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
    const key = ring.current();
    if (key === null)
      throw Errors.fromCode("store_unavailable", { detail: "The key ceremony has not been held yet." });
    const { groupPublicKey, possessionProof, publicShares, threshold, transcriptHash, set } = key;
    const { lane } = ring;
    return {
      groupPublicKey,
      possessionProof,
      publicShares,
      threshold,
      /** Null while the lane on chain does not use this key. */
      keyEpoch: lane !== null && isKeyOf(key, lane) ? key.keyEpoch : null,
      transcriptHash,
      replicas: set.replicas.map(({ id, url, nodePublicKey }) => ({ id, url, nodePublicKey })),
    };
  });

  app.get("/v1/status", async () => {
    const key = ring.current();
    const set = key?.set ?? book.sets()[0];
    const shared = {
      replica,
      laneId: set?.laneId ?? null,
      threshold: set?.threshold ?? null,
      replicas: set?.replicas.length ?? null,
      hasKey: key !== null,
      laneEpoch: ring.lane?.keyEpoch ?? null,
      keyEpochs: ring.keys.map(({ keyEpoch }) => keyEpoch),
    };
    try {
      return { ...shared, state: "running", ...(await describeReplica(runtime.replica())) };
    } catch (error) {
      if (!(error instanceof Waiting)) throw error;
      return { ...shared, state: error.name };
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

const describeReplica = async ({ context, follower }: Replica) => {
  const { feeds, batches, deliveries, votes, nowMs } = context;
  const [states, applied, oldest, events, undelivered, misdeeds] = await Promise.all([
    feeds.feeds(),
    batches.lastApplied(),
    feeds.oldestPendingMs(),
    feeds.pendingCount(),
    deliveries.pendingCount(),
    votes.misdeeds(MAX_NAMED),
  ]);
  return {
    followedBlock: follower.followed?.toString() ?? null,
    lastBatchNumber: applied?.batchNumber.toString() ?? null,
    receiptLagMs: oldest === null ? 0 : Number(nowMs() - oldest),
    pendingEvents: events,
    pendingDeliveries: undelivered,
    /** Who broke the protocol, newest first; the evidence is in /v1/misdeeds. */
    misbehaved: misdeeds.map(({ replica, guilt, batchNumber, times }) => ({
      replica,
      guilt,
      batchNumber: batchNumber.toString(),
      times,
    })),
    feeds: states.map(({ pulled, committed, headSeq, stoppedReason }) => ({
      gateway: pulled.gateway,
      pulledSeq: pulled.seq.toString(),
      committedSeq: committed.seq.toString(),
      headSeq: headSeq.toString(),
      stoppedReason,
    })),
  };
};
