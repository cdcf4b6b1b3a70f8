import { describe, expect, test } from "vitest";
import type { CommittedBatch, FedReceipt, ServedBatch } from "./books.ts";
import { judge, type Records } from "./judge.ts";
import type { PhaseRun } from "./runPhase.ts";

const hex = (value: number): `0x${string}` => `0x${value.toString(16).padStart(64, "0")}`;
const jobId = hex(1);

const phase: PhaseRun = {
  name: "leader-killed",
  does: "the leader is killed",
  promised: "settles",
  startedAtMs: 1_000,
  faultAtMs: 1_100,
  endingAtMs: 11_000,
  healedAtMs: 12_000,
  endedAtMs: 20_000,
  caughtUp: true,
  loadAverage: 1,
};

const receipt = (id: number, occurredAtMs: number): FedReceipt => ({
  receiptId: hex(id),
  jobId,
  costNano: 10n,
  occurredAtMs,
});

const batch = (number: number, settledAtMs: number): CommittedBatch => ({
  batchNumber: BigInt(number),
  batchHash: hex(100 + number),
  header: {
    laneId: 0,
    keyEpoch: 1,
    batchNumber: BigInt(number),
    windowStart: 0n,
    windowEnd: 0n,
    receiptsRoot: hex(0),
    receiptCount: 1,
    linesHash: hex(0),
    totalNano: 10n,
    previousBatchHash: hex(number === 1 ? 0 : 99 + number),
    sourcesHash: hex(0),
  },
  settledAtMs,
});

const served = (number: number, ...receipts: number[]): ServedBatch[] =>
  ([1, 2, 3, 4] as const).map((replica) => ({
    replica,
    batchNumber: BigInt(number),
    receiptIds: receipts.map(hex),
    problems: [],
  }));

/** Two receipts, in two batches, without a fault in the books. */
const sound: Records = {
  phases: [phase],
  calls: [
    { dueAtMs: 2_000, end: 200 },
    { dueAtMs: 13_000, end: 200 },
    { dueAtMs: 14_000, end: "lost" },
    { dueAtMs: 15_000, end: 503 },
  ],
  fed: [receipt(11, 2_000), receipt(12, 13_000)],
  batches: [batch(1, 6_000), batch(2, 19_000)],
  seenBatches: [{ batchNumber: 1n, batchHash: hex(101), blockHash: hex(201) }],
  served: [...served(1, 11), ...served(2, 12)],
  lines: [
    { jobId, providerId: 1, paidNano: 10n, status: "Paid" },
    { jobId, providerId: 1, paidNano: 10n, status: "Paid" },
  ],
  audits: [
    {
      jobId,
      lockedNano: 100n,
      spentNano: 20n,
      heldNano: 0n,
      chargedNano: 20n,
      charged: 2,
      released: 0,
      running: 0,
      receipts: 2,
      receiptsNano: 20n,
      chargedTwice: 0,
    },
  ],
  misdeeds: [],
  rejections: [],
};

const problemsWith = (change: Partial<Records>): string[] => judge({ ...sound, ...change }).problems;

describe("the judge of a fault run", () => {
  test("finds nothing in sound books, and counts", () => {
    const { phases, between, totals, problems } = judge(sound);
    expect(problems).toEqual([]);
    expect(phases[0]).toMatchObject({
      calls: 1,
      answered: 1,
      receiptsIn: 1,
      receiptsSettled: 1,
      duplicates: 0,
      latencyMs: { p50: 4_000, p95: 4_000, max: 4_000 },
      settledDuringFault: 1,
      receiptsDuringFault: 1,
    });
    expect(between).toMatchObject({
      calls: 3,
      answered: 1,
      refused: 1,
      lost: 1,
      latencyMs: { p50: 6_000, p95: 6_000, max: 6_000 },
    });
    expect(totals).toMatchObject({ receiptsIn: 2, receiptsSettled: 2, chargedNano: 20n, paidNano: 20n });
  });

  const [audit] = sound.audits;
  if (audit === undefined) throw new Error("there is one audit");
  const contradictions: [string, Partial<Records>, RegExp][] = [
    ["a receipt that never settled", { fed: [...sound.fed, receipt(13, 3_000)] }, /1 receipts never settled/],
    ["a receipt in the feed twice", { fed: [...sound.fed, receipt(11, 2_000)] }, /twice in the feed/],
    [
      "a receipt in two batches",
      { served: [...served(1, 11), ...served(2, 11, 12)] },
      /settled in batches 1, 2/,
    ],
    ["a receipt from nowhere", { served: [...served(1, 11), ...served(2, 12, 13)] }, /in no feed/],
    [
      "a batch number twice",
      { batches: [batch(1, 6_000), batch(1, 6_000), batch(2, 7_000)] },
      /stands at place/,
    ],
    [
      "another batch of a number on a branch that is gone",
      { seenBatches: [{ batchNumber: 1n, batchHash: hex(999), blockHash: hex(202) }] },
      /there were 2 batches 1/,
    ],
    [
      "a copy that differs from the chain",
      {
        served: [
          ...sound.served,
          { replica: 2, batchNumber: 2n, receiptIds: [], problems: ["its lines are not those on chain"] },
        ],
      },
      /as replica 2 serves it/,
    ],
    [
      "a nanocredit too few paid",
      { lines: [{ jobId, providerId: 1, paidNano: 19n, status: "Paid" }] },
      /paid 19/,
    ],
    ["a hold that is left", { audits: [{ ...audit, heldNano: 5n }] }, /held by nobody/],
    ["an accusation", { misdeeds: [{ replica: 3, guilt: "equivocation", batchNumber: "1" }] }, /accused/],
    ["an event that was refused", { rejections: [{ seq: "4", code: "bad", reason: "why" }] }, /event 4/],
    ["a replica that stays behind", { phases: [{ ...phase, caughtUp: false }] }, /not caught up/],
    ["a standstill with t replicas", { batches: [batch(1, 12_000), batch(2, 19_000)] }, /none of 1 receipts/],
    [
      "progress without t replicas",
      { phases: [{ ...phase, promised: "stands still" }] },
      /1 receipts settled without t replicas/,
    ],
  ];
  test.each(contradictions)("notices %s", (_, change, problem) => {
    expect(problemsWith(change).join("\n")).toMatch(problem);
  });
});
