import { describe, expect, test } from "vitest";
import { at, invoiceJson, set, verifyIn } from "./invoiceJson.ts";
import { createWorld, issuer, name32 } from "./world.ts";

const world = createWorld();

describe("an honest invoice", () => {
  test("verifies", async () => {
    const result = await verifyIn(world, invoiceJson(world));
    expect(result.problems).toEqual([]);
    expect(result).toMatchObject({
      valid: true,
      lineCount: 4,
      issuer: { address: issuer, isExpected: false },
    });
  });

  test("verifies with tax", async () => {
    expect((await verifyIn(world, invoiceJson(world, 1_900))).problems).toEqual([]);
  });

  test("verifies where the chain paid a line in part, and says so", async () => {
    const exhausted = createWorld((line) =>
      line.providerId === 1 && line.isFinal ? { paidNano: 5n, feeNano: 0n, status: "PaidInPart" } : {},
    );
    const json = invoiceJson(exhausted);
    expect((await verifyIn(exhausted, json)).problems).toEqual([]);
    expect(at(json, ["settlements", 2, "status"])).toBe("PaidInPart");
    const subtotalNano = BigInt(String(at(json, ["totals", "subtotalNano"])));
    expect(BigInt(String(at(json, ["totals", "paidNano"])))).toBeLessThan(subtotalNano);
    expect(at(json, ["totals", "totalNano"])).toBe(at(json, ["totals", "paidNano"]));
  });

  test("verifies after the chain refused a late line of the closed job", async () => {
    const late = createWorld();
    const [first] = late.batches[0]?.settled ?? [];
    if (first === undefined) throw new Error("The batch settled nothing.");
    late.state.events.push({
      ...first,
      transactionHash: name32("late"),
      blockNumber: 50n,
      jobId: late.jobId,
      outcome: { paidNano: 0n, feeNano: 0n, releasedNano: 0n, receiptCount: 1, status: "LockClosed" },
    });
    expect((await verifyIn(late, invoiceJson(late))).problems).toEqual([]);
  });
});

describe("a malformed invoice", () => {
  test.each([
    ["empty entries", { lines: Array.from({ length: 50_000 }, () => ({})) }],
    ["entries of another kind", { settlements: Array.from({ length: 50_000 }, () => 0), lines: 7 }],
    ["more entries than an invoice has", { batches: Array.from({ length: 500_000 }, () => ({})) }],
    ["deep nesting", { lines: JSON.parse("[".repeat(100_000) + "]".repeat(100_000)) }],
  ])("a small file of %s gets a short answer", async (_name, json) => {
    const { valid, problems } = await verifyIn(world, json);
    expect(valid).toBe(false);
    expect(problems.every(({ code }) => code === "malformed_invoice")).toBe(true);
    expect(problems.length).toBeLessThan(2_000);
  });

  test("a malformed entry far down is named by its own place", async () => {
    const json = invoiceJson(world);
    const lines = Array.from({ length: 200 }, () => at(json, ["lines", 0]));
    set(json, ["lines"], lines.concat(0));
    const { problems } = await verifyIn(world, json);
    expect(problems).toEqual([expect.objectContaining({ line: 200, path: "lines[200]" })]);
  });
});
