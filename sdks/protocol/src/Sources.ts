import { type Address, encodeAbiParameters, type Hex, keccak256 } from "viem";
import { z } from "zod";
import { lower } from "./internal/bytes.ts";
import * as Wire from "./Wire.ts";

/** Events of one gateway that a batch was built from: after `fromSeq`, up to and with `toSeq`. */
export type SourceRange = { gateway: Address; fromSeq: bigint; toSeq: bigint; toHash: Hex };

/** What a replica needs to rebuild a batch: the chain block it reads state at, and the ranges. */
export type Sources = { chainBlock: bigint; ranges: SourceRange[] };

/** `keccak256(abi.encode(uint64 chainBlock, (address,uint64,uint64,bytes32)[] ranges))`. */
export function hash(sources: Sources): Hex {
  return keccak256(encodeAbiParameters(ABI_SOURCES, [sources.chainBlock, sources.ranges]));
}

const ABI_SOURCES = [
  { name: "chainBlock", type: "uint64" },
  {
    name: "ranges",
    type: "tuple[]",
    components: [
      { name: "gateway", type: "address" },
      { name: "fromSeq", type: "uint64" },
      { name: "toSeq", type: "uint64" },
      { name: "toHash", type: "bytes32" },
    ],
  },
] as const;

const rangeSchema: z.ZodType<SourceRange> = z
  .strictObject({
    gateway: Wire.address,
    fromSeq: Wire.uint64,
    toSeq: Wire.uint64,
    toHash: Wire.bytes32,
  })
  .refine((range) => range.fromSeq <= range.toSeq, "the range ends before it begins");

/** Ranges are strictly ascending by gateway, so that the same sources have one spelling. */
export const schema: z.ZodType<Sources> = z.strictObject({
  chainBlock: Wire.uint64,
  ranges: z
    .array(rangeSchema)
    .max(1024)
    .refine(
      (ranges) => ranges.every((range, index) => (ranges[index - 1]?.gateway ?? "") < range.gateway),
      "gateways are not strictly ascending",
    ),
});

export function toJson(sources: Sources) {
  return {
    chainBlock: sources.chainBlock.toString(),
    ranges: sources.ranges.map((range) => ({
      gateway: lower(range.gateway),
      fromSeq: range.fromSeq.toString(),
      toSeq: range.toSeq.toString(),
      toHash: lower(range.toHash),
    })),
  };
}
