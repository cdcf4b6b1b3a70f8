import { describe, expect, test } from "vitest";
import { orderlyFacts, toCandidates, validateFeed } from "../../test/support/judge.ts";
import { TestGateway } from "../../test/support/TestGateway.ts";
import { call, domains, openJob } from "../../test/support/World.ts";
import { differences, planBatch } from "./plan.ts";
import type { Feed } from "./settle.ts";

const sliceOf = (gateway: TestGateway, receiptId: `0x${string}`) => {
  const job = openJob(gateway.account);
  const { judged } = validateFeed(
    gateway,
    { kind: "job-opened", body: job.opened },
    { kind: "usage", body: call(job, { receipt: { receiptId } }) },
  );
  const slice: Feed = {
    gateway: gateway.account.address,
    fromSeq: 0n,
    fromHash: `0x${"00".repeat(32)}`,
    // Validation refuses a copied id already; what a batch holds must not depend on that.
    events: toCandidates(judged).map((event) => ({ ...event, refusal: null })),
  };
  return { slice, facts: orderlyFacts(gateway, [job]) };
};

describe("a receipt id that two gateways use", () => {
  const receiptId = `0x${"5a".repeat(32)}` as const;
  const entries = [new TestGateway(), new TestGateway()].map((gateway) => sliceOf(gateway, receiptId));
  const idle: Feed[] = Array.from({ length: 3 }, () => ({
    gateway: new TestGateway().account.address,
    fromSeq: 0n,
    fromHash: `0x${"00".repeat(32)}`,
    events: [],
  }));
  const facts = {
    ...entries[0]?.facts,
    gatewayTerms: new Map(entries.flatMap((entry) => [...entry.facts.gatewayTerms])),
    jobs: new Map(entries.flatMap((entry) => [...entry.facts.jobs])),
  };
  const planOf = (feeds: Feed[], nextBatchNumber: bigint) =>
    planBatch({
      domain: domains.usageReceipts,
      laneId: 0,
      lane: { nextBatchNumber, lastWindowEnd: 1n, keyEpoch: 1, lastBatchHash: `0x${"00".repeat(32)}` },
      chainBlock: 1n,
      windowEndMs: BigInt(Date.now() + 60_000),
      feeds,
      facts: { ...orderlyFacts(new TestGateway(), []), ...facts },
    });

  test.each([1n, 2n, 3n, 4n, 5n, 6n, 7n, 8n])(
    "batch %s holds it once, and a replica that sees the ranges only builds the same",
    (batchNumber) => {
      const slices = entries.map(({ slice }) => slice);
      const proposed = planOf([...slices, ...idle], batchNumber);
      if (proposed === null) throw new Error("nothing was proposed");
      expect(proposed.batch.header.receiptCount).toBe(1);
      expect(proposed.batch.sources.ranges).toHaveLength(2);
      expect(differences(proposed.batch, planOf(slices.reverse(), batchNumber))).toEqual([]);
    },
  );
});
