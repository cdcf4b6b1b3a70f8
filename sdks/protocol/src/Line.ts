import { encodeAbiParameters, type Hex, keccak256 } from "viem";
import { z } from "zod";
import { lower } from "./internal/bytes.ts";
import * as Wire from "./Wire.ts";

/** What one provider is due from one job in one batch. */
export type Line = {
  jobId: Hex;
  providerId: number;
  amountNano: bigint;
  receiptCount: number;
  /** Releases the rest of the job's lock. */
  isFinal: boolean;
};

/** What became of a line on chain. `paidNano` includes the fee. */
export type LineOutcome = {
  paidNano: bigint;
  feeNano: bigint;
  releasedNano: bigint;
  receiptCount: number;
  status: LineStatus;
};

/** In the order of the contract's enum. */
export const LineStatus = [
  "None",
  "Paid",
  "PaidInPart",
  "UnknownJob",
  "LockClosed",
  "LockExhausted",
  "ProviderInactive",
  "ProviderCapReached",
  "Revoked",
  "NotAscending",
  "OverBatchTotal",
] as const;
export type LineStatus = (typeof LineStatus)[number];

const MASK_32 = 0xffff_ffffn;
const MASK_64 = 0xffff_ffff_ffff_ffffn;

/** `LineTerms`: amountNano 64 | receiptCount 32 | providerId 32 | isFinal 1, least significant first. */
export function packTerms(line: Omit<Line, "jobId">): bigint {
  const { amountNano, receiptCount, providerId } = line;
  const fits = (value: bigint, mask: bigint) => value >= 0n && value <= mask;
  if (
    !fits(amountNano, MASK_64) ||
    !fits(BigInt(receiptCount), MASK_32) ||
    !fits(BigInt(providerId), MASK_32)
  ) {
    throw new RangeError("A term of the line does not fit its bits.");
  }
  return (
    amountNano |
    (BigInt(receiptCount) << 64n) |
    (BigInt(providerId) << 96n) |
    (line.isFinal ? 1n << 128n : 0n)
  );
}

/** RangeError when a bit above `isFinal` is set. */
export function unpackTerms(terms: bigint): Omit<Line, "jobId"> {
  if (terms < 0n || terms >> 129n !== 0n) throw new RangeError("The terms have unknown bits.");
  return {
    amountNano: terms & MASK_64,
    receiptCount: Number((terms >> 64n) & MASK_32),
    providerId: Number((terms >> 96n) & MASK_32),
    isFinal: terms >> 128n === 1n,
  };
}

/** `LineOutcome`: paidNano 64 | feeNano 64 | releasedNano 64 | receiptCount 32 | status 8. */
export function unpackOutcome(outcome: bigint): LineOutcome {
  const status = LineStatus[Number(outcome >> 224n)];
  if (outcome < 0n || status === undefined) throw new RangeError("The outcome has an unknown status.");
  return {
    paidNano: outcome & MASK_64,
    feeNano: (outcome >> 64n) & MASK_64,
    releasedNano: (outcome >> 128n) & MASK_64,
    receiptCount: Number((outcome >> 192n) & MASK_32),
    status,
  };
}

/** The contract's `Line` struct, ready for ABI encoding. */
export function toAbi(line: Line): { jobId: Hex; terms: bigint } {
  return { jobId: line.jobId, terms: packTerms(line) };
}

/** `keccak256(abi.encode(lines))`, the header's `linesHash`. */
export function hash(lines: readonly Line[]): Hex {
  return keccak256(encodeAbiParameters(ABI_LINES, [lines.map(toAbi)]));
}

const ABI_LINES = [
  {
    type: "tuple[]",
    components: [
      { name: "jobId", type: "bytes32" },
      { name: "terms", type: "uint256" },
    ],
  },
] as const;

/** Order of lines in a batch: by provider id, then job id; the contract wants it strictly ascending. */
export function compare(left: Line, right: Line): number {
  if (left.providerId !== right.providerId) return left.providerId - right.providerId;
  const leftId = lower(left.jobId);
  const rightId = lower(right.jobId);
  return leftId < rightId ? -1 : leftId > rightId ? 1 : 0;
}

export const schema: z.ZodType<Line> = z.strictObject({
  jobId: Wire.bytes32,
  providerId: Wire.providerId,
  amountNano: Wire.uint64,
  receiptCount: Wire.uint32,
  isFinal: z.boolean(),
});

export function toJson(line: Line) {
  return {
    jobId: lower(line.jobId),
    providerId: line.providerId,
    amountNano: line.amountNano.toString(),
    receiptCount: line.receiptCount,
    isFinal: line.isFinal,
  };
}
