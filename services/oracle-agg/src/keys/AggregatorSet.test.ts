import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { aggregatorSetSchema, loadAggregatorSet } from "./AggregatorSet.ts";
import { generateNodeKey } from "./NodeKey.ts";

const folder = mkdtempSync(join(tmpdir(), "tac-set-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const setOf = (size: number, threshold: number) => ({
  laneId: 0,
  threshold,
  replicas: Array.from({ length: size }, (_, index) => {
    const { nodePublicKey, encryptionPublicKey } = generateNodeKey();
    return { id: index + 1, url: `https://127.0.0.1:${9101 + index}`, nodePublicKey, encryptionPublicKey };
  }),
});

describe("the threshold of a set", () => {
  test.each([
    [2, 2],
    [3, 2],
    [4, 3],
    [5, 3],
    [6, 4],
    [7, 7],
  ])("of %i replicas may be %i: any two groups of so many share a member", (size, threshold) => {
    expect(aggregatorSetSchema.safeParse(setOf(size, threshold)).error).toBeUndefined();
  });

  test.each([
    [4, 2],
    [5, 2],
    [6, 3],
    [255, 127],
  ])("of %i replicas may not be %i: two disjoint groups could sign different batches", (size, threshold) => {
    const { error } = aggregatorSetSchema.safeParse(setOf(size, threshold));
    expect(error?.issues.map(({ message }) => message)).toEqual([
      "threshold not above half the number of replicas: two groups could sign different batches",
    ]);
  });

  test("is at most the number of replicas", () => {
    expect(aggregatorSetSchema.safeParse(setOf(3, 4)).error?.message).toContain(
      "threshold above the number of replicas",
    );
  });

  test("is refused as a file too, before a replica or a ceremony begins", () => {
    const file = join(folder, "aggregators.json");
    writeFileSync(file, JSON.stringify(setOf(4, 2)));
    expect(() => loadAggregatorSet(file)).toThrow("two groups could sign different batches");
  });
});
