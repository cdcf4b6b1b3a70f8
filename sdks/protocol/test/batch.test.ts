import fc from "fast-check";
import { encodeAbiParameters, keccak256 } from "viem";
import { describe, expect, it } from "vitest";
import {
  Batch,
  Capability,
  Constants,
  type Hex,
  Line,
  MerkleTree,
  Quote,
  Sources,
  UsageReceipt,
} from "../src/index.ts";
import * as arbitraries from "./arbitraries.ts";
import { codeOf, repeated, tenant } from "./fixtures.ts";

const sources: Sources.Sources = { chainBlock: 9n, ranges: [] };
const envelope = {
  laneId: 0,
  keyEpoch: 1,
  batchNumber: 1n,
  windowStart: 1_000n,
  windowEnd: 2_000n,
  previousBatchHash: Constants.ZERO_BYTES32,
  sources,
};
const template = fc.sample(arbitraries.receipt, { numRuns: 1, seed: 1 })[0] as UsageReceipt.UsageReceipt;
const receipt = (
  id: string,
  jobId: Hex,
  providerId: number,
  costNano: bigint,
): UsageReceipt.UsageReceipt => ({
  ...template,
  receiptId: repeated(id),
  jobId,
  providerId,
  costNano,
});
const [jobA, jobB, jobC] = [repeated("a0"), repeated("b0"), repeated("c0")];

describe("Batch.build", () => {
  const receipts = [
    receipt("03", jobB, 1, 5n),
    receipt("01", jobA, 2, 7n),
    receipt("04", jobA, 1, 11n),
    receipt("02", jobA, 2, 13n),
  ];
  const built = Batch.build({
    ...envelope,
    receipts,
    finalJobs: new Map([
      [jobA, 1],
      [jobC, 2],
    ]),
  });

  it("groups lines by provider and job, and ends each final job on its last line", () => {
    expect(built.lines).toEqual([
      { jobId: jobA, providerId: 1, amountNano: 11n, receiptCount: 1, isFinal: false },
      { jobId: jobB, providerId: 1, amountNano: 5n, receiptCount: 1, isFinal: false },
      { jobId: jobA, providerId: 2, amountNano: 20n, receiptCount: 2, isFinal: true },
      { jobId: jobC, providerId: 2, amountNano: 0n, receiptCount: 0, isFinal: true },
    ]);
  });

  it("orders leaves by receipt id and commits to everything in the header", () => {
    expect(built.receiptIds).toEqual(["01", "02", "03", "04"].map((id) => repeated(id)));
    expect(built.header).toEqual({
      ...Object.fromEntries(Object.entries(envelope).filter(([key]) => key !== "sources")),
      receiptsRoot: MerkleTree.root(built.leaves),
      receiptCount: 4,
      linesHash: Line.hash(built.lines),
      totalNano: 36n,
      sourcesHash: Sources.hash(sources),
    });
    const index = built.receiptIds.indexOf(repeated("02"));
    const leaf = UsageReceipt.leaf(receipt("02", jobA, 2, 13n));
    expect(MerkleTree.verify(built.header.receiptsRoot, leaf, MerkleTree.proof(built.leaves, index))).toBe(
      true,
    );
  });

  it("gives the same bytes for the same receipts in any order", () => {
    const many = fc.uniqueArray(arbitraries.receipt, {
      selector: ({ receiptId }) => receiptId,
      maxLength: 12,
    });
    const shuffled = many.chain((list) =>
      fc.tuple(fc.constant(list), fc.shuffledSubarray(list, { minLength: list.length })),
    );
    fc.assert(
      fc.property(shuffled, ([list, other]) => {
        const finalJobs = new Map(list.slice(0, 2).map(({ jobId, providerId }) => [jobId, providerId]));
        const batchOf = (items: UsageReceipt.UsageReceipt[]) => {
          const cheap = items.map((item) => ({ ...item, costNano: item.costNano >> 8n }));
          return Batch.build({ ...envelope, receipts: cheap, finalJobs });
        };
        const batch = batchOf(list);
        expect(batchOf(other)).toEqual(batch);
        const ascending = batch.lines.every((line, index) => {
          const previous = batch.lines[index - 1];
          return previous === undefined || Line.compare(previous, line) < 0;
        });
        expect(ascending).toBe(true);
        expect(batch.lines.reduce((count, line) => count + line.receiptCount, 0)).toBe(list.length);
        expect(batch.lines.filter(({ isFinal }) => isFinal)).toHaveLength(finalJobs.size);
      }),
      { numRuns: 30 },
    );
  });

  it("has a zero root when only jobs end", () => {
    const batch = Batch.build({ ...envelope, receipts: [], finalJobs: new Map([[jobA, 3]]) });
    expect(batch.header.receiptsRoot).toBe(Constants.ZERO_BYTES32);
    expect(batch.header.receiptCount).toBe(0);
    expect(batch.lines).toHaveLength(1);
  });

  it("refuses a receipt twice, and an amount above 64 bits", () => {
    const finalJobs = new Map<Hex, number>();
    const twice = [...receipts, receipt("01", jobC, 1, 1n)];
    expect(codeOf(() => Batch.build({ ...envelope, receipts: twice, finalJobs }))).toBe("invalid_request");
    const most = 2n ** 64n - 1n;
    const overflow = [receipt("01", jobA, 1, most), receipt("02", jobA, 1, 1n)];
    expect(() => Batch.build({ ...envelope, receipts: overflow, finalJobs })).toThrow(RangeError);
  });
});

describe("Line", () => {
  it("packs and unpacks its terms", () => {
    fc.assert(
      fc.property(arbitraries.line, ({ jobId, ...terms }) => {
        expect(Line.unpackTerms(Line.packTerms(terms))).toEqual(terms);
        expect(Line.toAbi({ jobId, ...terms })).toEqual({ jobId, terms: Line.packTerms(terms) });
      }),
    );
    const line = { amountNano: 5n, receiptCount: 3, providerId: 2, isFinal: true };
    expect(Line.packTerms(line)).toBe((1n << 128n) | (2n << 96n) | (3n << 64n) | 5n);
  });

  it("refuses terms that do not fit", () => {
    const line = { amountNano: 5n, receiptCount: 3, providerId: 2, isFinal: true };
    expect(() => Line.packTerms({ ...line, amountNano: 2n ** 64n })).toThrow(RangeError);
    expect(() => Line.packTerms({ ...line, amountNano: -1n })).toThrow(RangeError);
    expect(() => Line.packTerms({ ...line, receiptCount: 2 ** 32 })).toThrow(RangeError);
    expect(() => Line.packTerms({ ...line, providerId: -1 })).toThrow(RangeError);
    expect(() => Line.unpackTerms(1n << 129n)).toThrow(RangeError);
    expect(() => Line.unpackTerms(-1n)).toThrow(RangeError);
  });

  it("unpacks an outcome, and refuses an unknown status", () => {
    const outcome = (7n << 224n) | (4n << 192n) | (3n << 128n) | (2n << 64n) | 1n;
    expect(Line.unpackOutcome(outcome)).toEqual({
      paidNano: 1n,
      feeNano: 2n,
      releasedNano: 3n,
      receiptCount: 4,
      status: "ProviderCapReached",
    });
    expect(() => Line.unpackOutcome(11n << 224n)).toThrow(RangeError);
    expect(() => Line.unpackOutcome(1n << 232n)).toThrow(RangeError);
    expect(() => Line.unpackOutcome(-1n)).toThrow(RangeError);
  });

  it("orders by provider, then job, whatever the case of the hex", () => {
    const line = { amountNano: 0n, receiptCount: 0, isFinal: false };
    const low = { ...line, providerId: 1, jobId: repeated("0a") };
    expect(Line.compare(low, { ...low, providerId: 2, jobId: repeated("01") })).toBeLessThan(0);
    expect(Line.compare(low, { ...low, jobId: repeated("0B") })).toBeLessThan(0);
    expect(Line.compare(low, { ...low, jobId: repeated("0A") })).toBe(0);
  });
});

describe("hashes of lists", () => {
  it("sorts tariffs by provider and version", () => {
    const refs = fc.uniqueArray(arbitraries.tariffRef, {
      minLength: 1,
      maxLength: 6,
      selector: (ref) => ref.providerId,
    });
    fc.assert(
      fc.property(refs, (tariffs) => {
        expect(Quote.tariffsHash([...tariffs].reverse())).toBe(Quote.tariffsHash(tariffs));
      }),
      { numRuns: 20 },
    );
    expect(Quote.tariffsHash([{ providerId: 1, version: 1, tariffHash: jobA }])).not.toBe(
      Quote.tariffsHash([{ providerId: 1, version: 2, tariffHash: jobA }]),
    );
  });

  it("encodes tariffs as the ABI does, the provider before the version", () => {
    const tariffs = [
      { providerId: 2, version: 1, tariffHash: jobB },
      { providerId: 1, version: 9, tariffHash: jobA },
      { providerId: 1, version: 3, tariffHash: jobC },
    ];
    const words = [32n, 3n, 1n, 3n, BigInt(jobC), 1n, 9n, BigInt(jobA), 2n, 1n, BigInt(jobB)];
    const encoded = words.map((word) => word.toString(16).padStart(64, "0")).join("");
    expect(Quote.tariffsHash(tariffs)).toBe(keccak256(`0x${encoded}`));
  });

  it("encodes sources as the ABI does", () => {
    const range = { gateway: tenant, fromSeq: 1n, toSeq: 2n, toHash: jobA };
    const words = [9n, 64n, 1n, BigInt(tenant), 1n, 2n, BigInt(jobA)].map((word) =>
      word.toString(16).padStart(64, "0"),
    );
    expect(Sources.hash({ chainBlock: 9n, ranges: [range] })).toBe(keccak256(`0x${words.join("")}`));
  });

  it("refuses sources whose gateways are unsorted or repeated, or whose range runs backwards", () => {
    const range = (gateway: Hex, fromSeq: string, toSeq: string) => ({
      gateway,
      fromSeq,
      toSeq,
      toHash: jobA,
    });
    const parse = (ranges: unknown[]) => Sources.schema.safeParse({ chainBlock: "1", ranges }).success;
    const [low, high] = [repeated("0a", 20), repeated("0b", 20)];
    expect(parse([range(low, "0", "1"), range(high, "0", "1")])).toBe(true);
    expect(parse([range(high, "0", "1"), range(low, "0", "1")])).toBe(false);
    expect(parse([range(low, "0", "1"), range(low, "1", "2")])).toBe(false);
    expect(parse([range(low, "2", "1")])).toBe(false);
  });

  it("makes a job id of tenant and salt", () => {
    const types = [{ type: "address" }, { type: "bytes32" }] as const;
    expect(Capability.jobId(tenant, jobA)).toBe(keccak256(encodeAbiParameters(types, [tenant, jobA])));
  });
});
