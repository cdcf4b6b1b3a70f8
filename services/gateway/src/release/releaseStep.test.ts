import { describe, expect, test } from "vitest";
import type { LockRelease } from "../chain/ChainPort.ts";
import { releaseStep, UNPAID_WAIT_SECONDS } from "./releaseStep.ts";

const MARGIN = 100;
const lock = (changes: Partial<LockRelease> = {}): LockRelease => ({
  state: "open",
  paidNano: 70n,
  releasableAtSeconds: 1_000,
  nowSeconds: 1_100,
  ...changes,
});
const paid = { heldNano: 0n, spentNano: 70n };

describe("a lock", () => {
  test("is released at its margin, and not a second before", () => {
    expect(releaseStep(lock(), paid, MARGIN)).toEqual({ kind: "release" });
    expect(releaseStep(lock({ nowSeconds: 1_099 }), paid, MARGIN)).toEqual({
      kind: "wait",
      untilSeconds: 1_100,
    });
  });

  test.each([
    ["whose charges are not all paid", { heldNano: 0n, spentNano: 71n }],
    ["with a call still held", { heldNano: 1n, spentNano: 70n }],
  ])("%s waits a day more, and no longer", (_what, job) => {
    const untilSeconds = 1_100 + UNPAID_WAIT_SECONDS;
    expect(releaseStep(lock(), job, MARGIN)).toEqual({ kind: "wait", untilSeconds });
    expect(releaseStep(lock({ nowSeconds: untilSeconds }), job, MARGIN)).toEqual({ kind: "release" });
  });

  test.each(["closed", "none"] as const)("that is %s needs nothing", (state) => {
    expect(releaseStep(lock({ state, nowSeconds: 0 }), paid, MARGIN)).toEqual({ kind: "closed" });
  });
});
