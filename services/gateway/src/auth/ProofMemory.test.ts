import { expect, test } from "vitest";
import { ProofMemory } from "./ProofMemory.ts";

test("remembers a proof for at least its time, and forgets it after twice that", () => {
  const memory = new ProofMemory(1_000);
  memory.add("0x01", 10_000);
  for (const nowMs of [10_999, 11_000, 11_900]) {
    memory.add("0x02", nowMs);
    expect(memory.has("0x01")).toBe(true);
  }
  memory.add("0x03", 12_000);
  expect([memory.has("0x01"), memory.has("0x02"), memory.has("0x03")]).toEqual([false, true, true]);
  memory.add("0x04", 20_000);
  expect([memory.has("0x03"), memory.has("0x04")]).toEqual([false, true]);
});

test("never holds more than two full generations", () => {
  const memory = new ProofMemory(1_000, 10);
  for (let number = 0; number < 100; number++) memory.add(`0x${number.toString(16)}`, 5_000);
  expect(memory.size).toBeLessThanOrEqual(20);
  expect(memory.has("0x63")).toBe(true);
});
