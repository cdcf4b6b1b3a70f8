import type { Hex } from "viem";
import type { Context } from "../replica/Context.ts";

/**
 * Why this replica stands where it does on a batch: what it prepared and refused and why, on what it locked, what t
 * replicas decided, and for each event of the batch whether it settled, or the reason why not. Null when it knows nothing
 * of the batch.
 */
export const findDecision = async (
  { votes, batches, feeds }: Pick<Context, "votes" | "batches" | "feeds">,
  batchNumber: bigint,
) => {
  const [records, proposals, applied] = await Promise.all([
    votes.records(batchNumber),
    votes.decisions(batchNumber),
    batches.batch(batchNumber),
  ]);
  if (records.length === 0 && proposals.length === 0 && applied === null) return null;
  const isOwn = (hash: Hex): boolean =>
    proposals.some(({ batchHash, outcome }) => batchHash === hash && outcome !== "refused");
  return {
    batchNumber: batchNumber.toString(),
    committedHash: applied?.batchHash ?? null,
    positions: records.map(({ position, view, prepared, locked, committed, signed }) => ({
      keyEpoch: position.keyEpoch,
      previousBatchHash: position.lastBatchHash,
      view: view.toString(),
      prepared,
      lockedOn: locked?.certificate.batchHash ?? null,
      decided: committed?.certificate.batchHash ?? null,
      decidedBy: committed?.certificate.votes.map(({ replica }) => replica) ?? [],
      /** Whether its share rests on its own recomputation, or on that of the replicas that prepared the batch. */
      basis:
        committed === null
          ? null
          : isOwn(committed.certificate.batchHash)
            ? "recomputed"
            : "prepared by t replicas",
      signed: signed?.batchHash ?? null,
    })),
    proposals: proposals.map(({ view, decidedAt, ...proposal }) => ({
      ...proposal,
      view: view.toString(),
      decidedAt: decidedAt.toISOString(),
    })),
    events: applied === null ? [] : await feeds.eventsOfBatch(batchNumber),
  };
};
