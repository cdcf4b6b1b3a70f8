import type { Hex } from "viem";
import { z } from "zod";
import { lower } from "./internal/bytes.ts";
import { type Domain, defineStruct } from "./internal/eip712.ts";
import { DOMAIN_NAME } from "./UsageReceipt.ts";
import * as Wire from "./Wire.ts";

/** One batch of one lane. Windows are Unix milliseconds: start inclusive, end exclusive. */
export type BatchHeader = {
  laneId: number;
  keyEpoch: number;
  batchNumber: bigint;
  windowStart: bigint;
  windowEnd: bigint;
  receiptsRoot: Hex;
  receiptCount: number;
  linesHash: Hex;
  totalNano: bigint;
  previousBatchHash: Hex;
  sourcesHash: Hex;
};

const struct = defineStruct<BatchHeader>("BatchHeader", DOMAIN_NAME, {
  laneId: "uint32",
  keyEpoch: "uint32",
  batchNumber: "uint64",
  windowStart: "uint64",
  windowEnd: "uint64",
  receiptsRoot: "bytes32",
  receiptCount: "uint32",
  linesHash: "bytes32",
  totalNano: "uint128",
  previousBatchHash: "bytes32",
  sourcesHash: "bytes32",
});

/** EIP-712 digest under the domain of UsageReceipts: the batch hash, and the message of the BLS signature. */
export function hash(header: BatchHeader, domain: Domain): Hex {
  return struct.digest(header, domain);
}

export const typedData = struct.typedData;

export const schema: z.ZodType<BatchHeader> = z.strictObject({
  laneId: Wire.uint32,
  keyEpoch: Wire.uint32,
  batchNumber: Wire.uint64,
  windowStart: Wire.uint64,
  windowEnd: Wire.uint64,
  receiptsRoot: Wire.bytes32,
  receiptCount: Wire.uint32,
  linesHash: Wire.bytes32,
  totalNano: Wire.uint128,
  previousBatchHash: Wire.bytes32,
  sourcesHash: Wire.bytes32,
});

export function toJson(header: BatchHeader) {
  return {
    laneId: header.laneId,
    keyEpoch: header.keyEpoch,
    batchNumber: header.batchNumber.toString(),
    windowStart: header.windowStart.toString(),
    windowEnd: header.windowEnd.toString(),
    receiptsRoot: lower(header.receiptsRoot),
    receiptCount: header.receiptCount,
    linesHash: lower(header.linesHash),
    totalNano: header.totalNano.toString(),
    previousBatchHash: lower(header.previousBatchHash),
    sourcesHash: lower(header.sourcesHash),
  };
}
