import type { Hex } from "viem";
import { z } from "zod";
import * as BatchHeader from "./BatchHeader.ts";
import { ZERO_BYTES32 } from "./Constants.ts";
import { ProtocolError } from "./Errors.ts";
import { lower } from "./internal/bytes.ts";
import * as Line from "./Line.ts";
import * as MerkleTree from "./MerkleTree.ts";
import * as Sources from "./Sources.ts";
import * as UsageReceipt from "./UsageReceipt.ts";
import * as Wire from "./Wire.ts";

/** A batch as replicas exchange it; `receiptIds` is the order of the leaves. */
export type Batch = {
  header: BatchHeader.BatchHeader;
  lines: Line.Line[];
  sources: Sources.Sources;
  receiptIds: Hex[];
};

/** What a batch holds of a receipt; `leaf` is the `UsageReceipt.leaf` of the whole. */
export type Entry = Pick<UsageReceipt.UsageReceipt, "receiptId" | "jobId" | "providerId" | "costNano"> & {
  leaf: Hex;
};

type Envelope = {
  laneId: number;
  keyEpoch: number;
  batchNumber: bigint;
  windowStart: bigint;
  windowEnd: bigint;
  previousBatchHash: Hex;
  sources: Sources.Sources;
  /** Jobs that end with this batch, each with the provider whose line carries the end when no receipt does. */
  finalJobs: ReadonlyMap<Hex, number>;
};

export type BatchInput = Envelope & { receipts: readonly UsageReceipt.UsageReceipt[] };
export type EntriesInput = Envelope & { entries: readonly Entry[] };

export type BuiltBatch = Batch & { leaves: Hex[] };

/**
 * Builds a batch from what was validated; every honest replica gets the same bytes from the same input, in any
 * order. Leaves ascend by receipt id; lines ascend by provider and job. Without receipts the root is zero.
 * Throws `invalid_request` for a repeated receipt id, RangeError when a line's amount exceeds 64 bits.
 */
export function build({ receipts, ...envelope }: BatchInput): BuiltBatch {
  const entries = receipts.map((receipt) => ({ ...receipt, leaf: UsageReceipt.leaf(receipt) }));
  return buildOf({ ...envelope, entries });
}

/** `build` for a caller that has the leaves already. */
export function buildOf(input: EntriesInput): BuiltBatch {
  const entries = input.entries
    .map((entry) => ({ ...entry, receiptId: lower(entry.receiptId) }))
    .sort((left, right) => (left.receiptId < right.receiptId ? -1 : 1));
  const receiptIds = entries.map(({ receiptId }) => receiptId);
  const repeated = receiptIds.find((receiptId, index) => receiptId === receiptIds[index + 1]);
  if (repeated !== undefined) {
    throw new ProtocolError("invalid_request", {
      detail: `Receipt ${repeated} stands twice in the batch.`,
      param: "receiptId",
    });
  }
  const leaves = entries.map(({ leaf }) => leaf);
  const lines = groupLines(entries, input.finalJobs);
  const header: BatchHeader.BatchHeader = {
    laneId: input.laneId,
    keyEpoch: input.keyEpoch,
    batchNumber: input.batchNumber,
    windowStart: input.windowStart,
    windowEnd: input.windowEnd,
    receiptsRoot: leaves.length === 0 ? ZERO_BYTES32 : MerkleTree.root(leaves),
    receiptCount: entries.length,
    linesHash: Line.hash(lines),
    totalNano: lines.reduce((totalNano, line) => totalNano + line.amountNano, 0n),
    previousBatchHash: input.previousBatchHash,
    sourcesHash: Sources.hash(input.sources),
  };
  return { header, lines, sources: input.sources, receiptIds, leaves };
}

function groupLines(entries: readonly Entry[], finalJobs: ReadonlyMap<Hex, number>): Line.Line[] {
  const lines = new Map<string, Line.Line>();
  for (const entry of entries) {
    const jobId = lower(entry.jobId);
    const key = `${entry.providerId} ${jobId}`;
    const line = lines.get(key) ?? emptyLine(jobId, entry.providerId);
    line.amountNano += entry.costNano;
    line.receiptCount += 1;
    lines.set(key, line);
  }
  const lastLines = new Map<Hex, Line.Line>();
  for (const line of [...lines.values()].sort(Line.compare)) lastLines.set(line.jobId, line);
  for (const [finalJob, providerId] of finalJobs) {
    const jobId = lower(finalJob);
    const line = lastLines.get(jobId) ?? emptyLine(jobId, providerId);
    line.isFinal = true;
    lines.set(`${line.providerId} ${jobId}`, line);
  }
  return [...lines.values()].sort(Line.compare);
}

function emptyLine(jobId: Hex, providerId: number): Line.Line {
  return { jobId, providerId, amountNano: 0n, receiptCount: 0, isFinal: false };
}

export const schema: z.ZodType<Batch> = z.strictObject({
  header: BatchHeader.schema,
  lines: z.array(Line.schema),
  sources: Sources.schema,
  receiptIds: z.array(Wire.bytes32),
});

export function toJson(batch: Batch) {
  return {
    header: BatchHeader.toJson(batch.header),
    lines: batch.lines.map(Line.toJson),
    sources: Sources.toJson(batch.sources),
    receiptIds: batch.receiptIds.map(lower),
  };
}
