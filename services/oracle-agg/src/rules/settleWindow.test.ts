import { BatchHeader } from "@tac/protocol";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { orderlyFacts, toCandidates, validateFeed } from "../../test/support/judge.ts";
import { TestGateway } from "../../test/support/TestGateway.ts";
import { call, closeJob, domains, openJob } from "../../test/support/World.ts";
import { differences, planBatch } from "./plan.ts";
import type { Feed } from "./settle.ts";

const START_MS = 1_800_000_000_000n;
const CALLS = 8;

/** A job opened, called and closed at one gateway. */
const feedOf = () => {
  const gateway = new TestGateway();
  const job = openJob(gateway.account);
  const { judged } = validateFeed(
    gateway,
    { kind: "job-opened", body: job.opened },
    ...Array.from({ length: CALLS }, (_, index) => ({
      kind: "usage" as const,
      body: call(job, { providerId: 1 + (index % 2) }),
    })),
    { kind: "job-closed", body: closeJob(job) },
  );
  const feed: Feed = {
    gateway: gateway.account.address,
    fromSeq: 0n,
    fromHash: `0x${"00".repeat(32)}`,
    events: toCandidates(judged),
  };
  return { feed, facts: orderlyFacts(gateway, [job]) };
};

const entries = [feedOf(), feedOf(), feedOf()];
const feeds = entries.map(({ feed }) => feed);
const facts = {
  ...orderlyFacts(new TestGateway(), []),
  gatewayTerms: new Map(entries.flatMap((entry) => [...entry.facts.gatewayTerms])),
  jobs: new Map(entries.flatMap((entry) => [...entry.facts.jobs])),
};

type Lane = Parameters<typeof planBatch>[0]["lane"];
type Limits = { maxReceipts?: number; maxLines?: number };

const FIRST_LANE: Lane = {
  nextBatchNumber: 1n,
  lastWindowEnd: START_MS,
  keyEpoch: 1,
  lastBatchHash: `0x${"00".repeat(32)}`,
};

const planOf = (slices: readonly Feed[], lane: Lane, windowEndMs: bigint, limits: Limits) =>
  planBatch({
    domain: domains.usageReceipts,
    laneId: 0,
    lane,
    chainBlock: 1n,
    windowEndMs,
    feeds: slices,
    facts,
    ...limits,
  });

/** The same feeds with each event recorded so many ms after the window began, in the order of the feed. */
const recordedAt = (...timesOfFeeds: readonly (readonly number[])[]): Feed[] =>
  timesOfFeeds.map((times, index) => {
    const sorted = [...times].sort((left, right) => left - right);
    const feed = feeds[index] as Feed;
    return {
      ...feed,
      events: feed.events.map((event, place) => ({
        ...event,
        recordedAtMs: START_MS + BigInt(sorted[place] ?? sorted.at(-1) ?? 0),
      })),
    };
  });

/** What is left of the feeds after a batch. */
const after = (slices: readonly Feed[], plan: NonNullable<ReturnType<typeof planOf>>): Feed[] =>
  slices.map((feed) => {
    const range = plan.batch.sources.ranges.find(({ gateway }) => gateway === feed.gateway);
    if (range === undefined) return feed;
    const events = feed.events.filter(({ seq }) => seq > range.toSeq);
    return { ...feed, fromSeq: range.toSeq, fromHash: range.toHash, events };
  });

/** What a replica that checks sees: the ranges, and the window's end as the header says it. */
const rebuilt = (
  slices: readonly Feed[],
  lane: Lane,
  plan: NonNullable<ReturnType<typeof planOf>>,
  limits: Limits,
) => {
  const ranges = plan.batch.sources.ranges.flatMap(({ gateway, toSeq }) =>
    slices
      .filter((feed) => feed.gateway === gateway)
      .map((feed) => ({ ...feed, events: feed.events.filter(({ seq }) => seq <= toSeq) })),
  );
  return planOf(ranges, lane, plan.batch.header.windowEnd, limits);
};

const END_MS = START_MS + 40_000n;
const everySecond = (first: number) => Array.from({ length: CALLS + 2 }, (_, index) => first + index * 1_000);

describe("a full batch", () => {
  test("ends its window at the first event it leaves out", () => {
    const [feed] = recordedAt(everySecond(1));
    const plan = planOf(feed === undefined ? [] : [feed], FIRST_LANE, END_MS, { maxReceipts: 3 });
    expect(plan?.batch.header).toMatchObject({ receiptCount: 3, windowEnd: START_MS + 4_001n });
  });

  test("takes what several gateways recorded in the order of time, whoever's turn it is", () => {
    const slices = recordedAt(everySecond(1), everySecond(2));
    for (let number = 1n; number <= 6n; number += 1n) {
      const plan = planOf(slices, { ...FIRST_LANE, nextBatchNumber: number }, END_MS, { maxReceipts: 6 });
      expect(plan?.batch.header).toMatchObject({ receiptCount: 6, windowEnd: START_MS + 4_001n });
    }
  });

  test("ends its window where its lines are all taken", () => {
    const slices = recordedAt(everySecond(1), everySecond(2));
    const plan = planOf(slices, FIRST_LANE, END_MS, { maxLines: 3 });
    expect(plan?.batch.header).toMatchObject({ receiptCount: 3, windowEnd: START_MS + 2_002n });
  });

  test("of late events ends where it keeps out the first that is in time", () => {
    const late = everySecond(-20_000);
    const inTime = everySecond(5);
    const ends = [1n, 2n, 3n, 4n, 5n, 6n, 7n, 8n].map((number) => {
      const plan = planOf(recordedAt(late, inTime), { ...FIRST_LANE, nextBatchNumber: number }, END_MS, {
        maxReceipts: CALLS - 1,
      });
      expect(plan?.batch.header.receiptCount).toBe(CALLS - 1);
      const taken = plan?.batch.sources.ranges.find(({ gateway }) => gateway === feeds[1]?.gateway);
      return [plan?.batch.header.windowEnd, taken?.toSeq];
    });
    // The late gateway's turn, or that of the one in time, seven of whose receipts then find room. Openings need none.
    expect(new Set(ends.map(String))).toEqual(new Set([`${START_MS + 1_005n},1`, `${START_MS + 8_005n},8`]));
  });

  test("of events of one moment takes as many as fit and ends as it was asked to", () => {
    const plan = planOf(recordedAt([7]), FIRST_LANE, END_MS, { maxReceipts: 3 });
    expect(plan?.batch.header).toMatchObject({ receiptCount: 3, windowEnd: END_MS });
  });

  test("after a long backlog takes gateways in turn again", () => {
    const slices = recordedAt(everySecond(1), everySecond(2));
    const endMs = START_MS + 604_002n;
    const stillCut = planOf(slices, FIRST_LANE, endMs - 1n, { maxReceipts: 6 });
    expect(stillCut?.batch.header.windowEnd).toBe(START_MS + 4_001n);
    const plan = planOf(slices, FIRST_LANE, endMs, { maxReceipts: 6 });
    expect(plan?.batch.header).toMatchObject({ receiptCount: 6, windowEnd: endMs });
    expect(plan?.batch.sources.ranges.map(({ toSeq }) => toSeq).sort()).toEqual([1n, 7n]);
  });
});

test("a batch that is not full ends its window as it was asked to", () => {
  const plan = planOf(recordedAt(everySecond(1), everySecond(2)), FIRST_LANE, END_MS, {});
  expect(plan?.batch.header).toMatchObject({ receiptCount: 2 * CALLS, windowEnd: END_MS });
});

describe("batch after batch, whenever events were recorded and however little a batch holds", () => {
  const times = fc.array(fc.integer({ min: -5_000, max: 39_000 }), {
    minLength: CALLS + 2,
    maxLength: CALLS + 2,
  });

  test("windows move on, nothing in time is left behind, checkers build the same, and all is settled", () => {
    fc.assert(
      fc.property(times, times, times, fc.nat(8), fc.nat(4), (first, second, third, receipts, lines) => {
        const limits = { maxReceipts: 1 + receipts, maxLines: 1 + lines };
        let slices = recordedAt(first, second, third);
        let lane = FIRST_LANE;
        let settled = 0;
        let nowMs = END_MS;
        while (slices.some(({ events }) => events.length > 0)) {
          const plan = planOf(slices, lane, nowMs, limits);
          if (plan === null) throw new Error("the lane stands still");
          const { header } = plan.batch;
          expect(header.windowEnd > header.windowStart && header.windowEnd <= nowMs).toBe(true);
          const again = rebuilt([...slices].reverse(), lane, plan, limits);
          expect(differences(plan.batch, again)).toEqual([]);
          expect(again?.batchHash).toBe(plan.batchHash);
          const left = after(slices, plan);
          const isCrowded = crowded(slices, lane.lastWindowEnd, header.windowEnd, limits);
          for (const { events } of left)
            for (const { recordedAtMs } of events)
              if (recordedAtMs > lane.lastWindowEnd && !isCrowded)
                expect(recordedAtMs).toBeGreaterThanOrEqual(header.windowEnd);
          settled += header.receiptCount;
          slices = left;
          nowMs += 1_000n;
          lane = {
            ...lane,
            nextBatchNumber: lane.nextBatchNumber + 1n,
            lastWindowEnd: header.windowEnd,
            lastBatchHash: BatchHeader.hash(header, domains.usageReceipts),
          };
        }
        expect(settled).toBe(3 * CALLS);
      }),
      {
        numRuns: 100,
        // More of one moment than a batch holds, after openings alone, and something later: no window can end in between.
        examples: [
          [Array(10).fill(3).with(0, 0), Array(10).fill(3).with(0, 0), [0, ...Array(8).fill(3), 4], 0, 0],
        ],
      },
    );
  });

  /** Whether late events, or those of the window's first moment, take more room than there is. */
  const crowded = (slices: readonly Feed[], startMs: bigint, endMs: bigint, limits: Limits): boolean => {
    const all = slices.flatMap(({ events }) => events).filter(({ kind }) => kind !== "job-opened");
    const inTime = all.filter(({ recordedAtMs }) => recordedAtMs > startMs && recordedAtMs < endMs);
    const late = all.filter(({ recordedAtMs }) => recordedAtMs <= startMs);
    const times = inTime.map(({ recordedAtMs }) => recordedAtMs);
    const atFirst = times.filter((time) => times.every((other) => time <= other)).length;
    const room = Math.min(limits.maxReceipts ?? 0, limits.maxLines ?? 0);
    return late.length > room || atFirst > room || atFirst === times.length;
  };
});
