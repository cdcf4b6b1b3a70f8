import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { leaderOf, viewAt, viewStartMs } from "./schedule.ts";

const schedule = { lastWindowEndMs: 10_000n, windowMs: 2_000n, leaderTimeoutMs: 3_000n };

describe("whose turn it is", () => {
  test("nobody's before the window is over; then a view lasts the leader's time-out", () => {
    expect(viewAt(schedule, 11_999n)).toBe(-1n);
    expect(viewAt(schedule, 12_000n)).toBe(0n);
    expect(viewAt(schedule, 14_999n)).toBe(0n);
    expect(viewAt(schedule, 15_000n)).toBe(1n);
  });

  test("a view begins where the one before ends", () => {
    fc.assert(
      fc.property(fc.bigInt(0n, 1n << 40n), (view) => {
        expect(viewAt(schedule, viewStartMs(schedule, view))).toBe(view);
        expect(viewAt(schedule, viewStartMs(schedule, view) - 1n)).toBe(view - 1n);
      }),
    );
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
