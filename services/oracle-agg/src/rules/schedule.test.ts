import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { acceptsView, leaderOf, type ScheduleInput, turnAt } from "./schedule.ts";

const schedule: ScheduleInput = {
  batchNumber: 5n,
  replicaCount: 4,
  lastWindowEndMs: 10_000n,
  oldestPendingMs: 9_000n,
  windowMs: 2_000n,
  leaderTimeoutMs: 3_000n,
};

describe("whose turn it is", () => {
  test("nobody's before the window is over, or before there is anything to settle", () => {
    expect(turnAt(schedule, 11_999n)).toBeNull();
    expect(turnAt({ ...schedule, oldestPendingMs: 20_000n }, 19_999n)).toBeNull();
  });

  test("batch number plus view, modulo the replicas; each view lasts the leader's time-out", () => {
    expect(turnAt(schedule, 12_000n)).toEqual({ view: 0n, leader: 2, leaderSinceMs: 12_000n });
    expect(turnAt(schedule, 14_999n)).toEqual({ view: 0n, leader: 2, leaderSinceMs: 12_000n });
    expect(turnAt(schedule, 15_000n)).toEqual({ view: 1n, leader: 3, leaderSinceMs: 15_000n });
  });

  test("every replica leads within n views, whatever the batch", () => {
    fc.assert(
      fc.property(
        fc.bigInt(0n, 1n << 60n),
        fc.bigInt(0n, 1n << 60n),
        fc.integer({ min: 2, max: 9 }),
        (batch, view, n) => {
          const leaders = Array.from({ length: n }, (_, step) => leaderOf(batch, view + BigInt(step), n));
          expect(new Set(leaders).size).toBe(n);
          expect(leaders.every((leader) => leader >= 1 && leader <= n)).toBe(true);
        },
      ),
    );
  });
});

test("a view one ahead is accepted, one already left behind is not", () => {
  expect(acceptsView(3n, { currentView: 2n, highestAnsweredView: 1n })).toBe(true);
  expect(acceptsView(4n, { currentView: 2n, highestAnsweredView: 1n })).toBe(false);
  expect(acceptsView(1n, { currentView: 2n, highestAnsweredView: 1n })).toBe(true);
  expect(acceptsView(0n, { currentView: 2n, highestAnsweredView: 1n })).toBe(false);
});
