import { describe, expect, test } from "vitest";
import { dealt, realCrypto } from "./simulation/crypto.ts";
import { type Plant, simulate } from "./simulation/simulate.ts";

const seeds = (first: number, count: number): number[] =>
  Array.from({ length: count }, (_, index) => first + index);

describe("four replicas under seeded faults", () => {
  test("sign one batch for each position, settle every valid receipt once and no other, and go on once three are connected", () => {
    let receipts = 0;
    for (const seed of seeds(1, 40)) {
      const result = simulate({ seed });
      expect(result.violations, `make simulate SEED=${seed}`).toEqual([]);
      receipts += result.receipts;
    }
    expect(receipts).toBeGreaterThan(600);
  });

  test("do so with real threshold BLS signatures", () => {
    const result = simulate({ seed: 1_001, crypto: realCrypto(dealt) });
    expect(result.violations).toEqual([]);
    expect(result.batches).toBeGreaterThan(0);
  });

  test("do the same again for the same seed", () => {
    const trace = (): string[] => {
      const lines: string[] = [];
      simulate({ seed: 7, onTrace: (line) => lines.push(line) });
      return lines;
    };
    expect(trace()).toEqual(trace());
  });
});

describe("mistakes planted on purpose are found", () => {
  test.each<[Plant, RegExp]>([
    ["persist-late", /two (prepare|commit) votes/],
    ["vote-twice", /two (prepare|commit) votes/],
    ["forget-lock", /two batches were decided/],
    ["sign-early", /signed two batches|two batches got/],
    ["submit-once", /not everything was settled/],
    ["accept-reused-proof", /is bad and was settled/],
  ])(
    "%s",
    (plant, violation) => {
      const violationsOf = (seed: number): string[] => simulate({ seed, plant, isHostile: true }).violations;
      const found = seeds(1, 500).find((seed) => violationsOf(seed).some((one) => violation.test(one)));
      expect(found, "no seed found the mistake").toBeDefined();
      expect(simulate({ seed: found ?? 0, isHostile: true }).violations).toEqual([]);
    },
    240_000,
  );
});
