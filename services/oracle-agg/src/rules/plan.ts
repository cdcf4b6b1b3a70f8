import { Batch, BatchHeader, type Sources } from "@tac/protocol";
import type { Address, Hex } from "viem";
import type { LanePosition } from "../chain/ChainPort.ts";
import { type Candidate, type SettleFacts, type Settlement, settle } from "./settle.ts";

/** Bounds of one batch, which keep its transaction well below the gas limit of Base. */
export const MAX_RECEIPTS = 10_000;
export const MAX_LINES = 500;

export type FeedSlice = { gateway: Address; fromSeq: bigint; fromHash: Hex; events: readonly Candidate[] };

export type PlanInput = {
  domain: Parameters<typeof BatchHeader.hash>[1];
  laneId: number;
  lane: LanePosition;
  chainBlock: bigint;
  windowEndMs: bigint;
  /** See `SettleLimits.curableAfterMs`. */
  curableAfterMs: bigint;
  feeds: readonly FeedSlice[];
  facts: SettleFacts;
  maxReceipts?: number;
  maxLines?: number;
};

export type Plan = { batch: Batch.BuiltBatch; batchHash: Hex; settlement: Settlement };

/**
 * What the lane's next batch holds, or null when there is nothing to settle. Feeds share the limits in an order that
 * turns with the batch number, so that a busy gateway cannot starve the others.
 */
export const planBatch = (input: PlanInput): Plan | null => {
  const { lane, laneId, chainBlock, windowEndMs, facts } = input;
  const feeds = rotate(sortByGateway(input.feeds), lane.nextBatchNumber);
  const settlement = settle(feeds, facts, {
    windowEndMs,
    maxReceipts: input.maxReceipts ?? MAX_RECEIPTS,
    maxLines: input.maxLines ?? MAX_LINES,
    curableAfterMs: input.curableAfterMs,
  });
  if (settlement.accepted.length === 0 && settlement.finalJobs.size === 0) return null;
  const batch = Batch.build({
    laneId,
    keyEpoch: lane.keyEpoch,
    batchNumber: lane.nextBatchNumber,
    windowStart: lane.lastWindowEnd,
    windowEnd: windowEndMs,
    previousBatchHash: lane.lastBatchHash,
    sources: { chainBlock, ranges: rangesOf(feeds, settlement) },
    receipts: settlement.accepted.map(({ receipt }) => receipt),
    finalJobs: settlement.finalJobs,
  });
  return { batch, batchHash: BatchHeader.hash(batch.header, input.domain), settlement };
};

/** Why a rebuilt batch is not the proposed one; empty when they are the same. */
export const differences = (
  proposed: { header: BatchHeader.BatchHeader; sources: Sources.Sources },
  plan: Plan | null,
) => {
  if (plan === null) return ["the ranges hold nothing to settle"];
  const problems: string[] = [];
  for (const range of proposed.sources.ranges) {
    const progress = plan.settlement.progress.find(({ gateway }) => gateway === range.gateway);
    if (progress?.toSeq !== range.toSeq)
      problems.push(`${range.gateway}: ${progress?.stoppedBy ?? "the range holds other events"}`);
    else if (progress.toHash !== range.toHash)
      problems.push(`${range.gateway}: event ${range.toSeq} has another hash`);
  }
  const rebuilt = plan.batch.header;
  if (rebuilt.receiptsRoot !== proposed.header.receiptsRoot) problems.push("another receipts root");
  if (rebuilt.linesHash !== proposed.header.linesHash) problems.push("other lines");
  if (rebuilt.sourcesHash !== proposed.header.sourcesHash) problems.push("other sources");
  if (rebuilt.receiptCount !== proposed.header.receiptCount) problems.push("another number of receipts");
  if (rebuilt.totalNano !== proposed.header.totalNano) problems.push("another total");
  return problems;
};

const rangesOf = (feeds: readonly FeedSlice[], { progress }: Settlement): Sources.SourceRange[] =>
  sortByGateway(
    feeds.flatMap(({ gateway, fromSeq }) => {
      const end = progress.find((entry) => entry.gateway === gateway);
      if (end === undefined || end.toSeq === fromSeq) return [];
      return [{ gateway, fromSeq, toSeq: end.toSeq, toHash: end.toHash }];
    }),
  );

const sortByGateway = <T extends { gateway: Address }>(entries: readonly T[]): T[] =>
  [...entries].sort((left, right) => (left.gateway < right.gateway ? -1 : 1));

const rotate = <T>(entries: readonly T[], by: bigint): T[] => {
  if (entries.length === 0) return [];
  const start = Number(by % BigInt(entries.length));
  return [...entries.slice(start), ...entries.slice(0, start)];
};
