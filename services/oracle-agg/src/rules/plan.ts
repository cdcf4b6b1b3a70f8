import { Batch, BatchHeader, type Sources } from "@tac/protocol";
import { type Address, concat, type Hex, keccak256, numberToHex } from "viem";
import type { LanePosition } from "../chain/ChainPort.ts";
import type { Feed, SettleFacts, Settlement } from "./settle.ts";
import { settleWindow } from "./settleWindow.ts";

/** Bounds of one batch, which keep its transaction well below the gas limit of Base. */
export const MAX_RECEIPTS = 10_000;
export const MAX_LINES = 500;

export type PlanInput = {
  domain: Parameters<typeof BatchHeader.hash>[1];
  laneId: number;
  lane: LanePosition;
  chainBlock: bigint;
  /** Unix ms; a full batch ends earlier. */
  windowEndMs: bigint;
  feeds: readonly Feed[];
  facts: SettleFacts;
  maxReceipts?: number;
  maxLines?: number;
};

export type Plan = { batch: Batch.BuiltBatch; batchHash: Hex; settlement: Settlement };

/** What the lane's next batch holds, or null when there is nothing to settle. */
export const planBatch = (input: PlanInput): Plan | null => {
  const { lane, laneId, chainBlock, facts } = input;
  const feeds = inTurn(input.feeds, lane.nextBatchNumber);
  const { settlement, endMs } = settleWindow(feeds, facts, {
    startMs: lane.lastWindowEnd,
    endMs: input.windowEndMs,
    maxReceipts: input.maxReceipts ?? MAX_RECEIPTS,
    maxLines: input.maxLines ?? MAX_LINES,
  });
  if (settlement.accepted.length === 0 && settlement.finalJobs.size === 0) return null;
  const batch = Batch.buildOf({
    laneId,
    keyEpoch: lane.keyEpoch,
    batchNumber: lane.nextBatchNumber,
    windowStart: lane.lastWindowEnd,
    windowEnd: endMs,
    previousBatchHash: lane.lastBatchHash,
    sources: { chainBlock, ranges: rangesOf(feeds, settlement) },
    entries: settlement.accepted.map(({ receipt }) => receipt),
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

const rangesOf = (feeds: readonly Feed[], { progress }: Settlement): Sources.SourceRange[] =>
  sortByGateway(
    feeds.flatMap(({ gateway, fromSeq }) => {
      const end = progress.find((entry) => entry.gateway === gateway);
      if (end === undefined || end.toSeq === fromSeq) return [];
      return [{ gateway, fromSeq, toSeq: end.toSeq, toHash: end.toHash }];
    }),
  );

const sortByGateway = <T extends { gateway: Address }>(entries: readonly T[]): T[] =>
  [...entries].sort((left, right) => (left.gateway < right.gateway ? -1 : 1));

/**
 * The order in which feeds share the limits, and in which the second of two equal receipts is refused. It changes with
 * the batch, so that a busy gateway cannot starve the others, and where a gateway stands does not depend on which others
 * take part: the proposer sees more feeds than the ranges it ends up with.
 */
const inTurn = <T extends { gateway: Address }>(entries: readonly T[], batchNumber: bigint): T[] =>
  entries
    .map((entry) => ({
      entry,
      place: keccak256(concat([numberToHex(batchNumber, { size: 8 }), entry.gateway])),
    }))
    .sort((left, right) => (left.place < right.place ? -1 : 1))
    .map(({ entry }) => entry);
