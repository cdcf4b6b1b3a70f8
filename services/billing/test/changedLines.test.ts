import { describe, expect, test } from "vitest";
import { at, invoiceJson, list, set, verifyIn } from "./invoiceJson.ts";
import { bump, expectFound, type Tampering } from "./tampering.ts";
import { createWorld, name32 } from "./world.ts";

const world = createWorld();

const tamperings: Tampering[] = [
  {
    name: "the amount of a line",
    change: bump("lines", 1, "amountNano"),
    expected: [
      { line: 1, code: "amount_mismatch", path: "lines[1].amountNano" },
      { line: null, code: "totals_mismatch", path: "totals.subtotalNano" },
    ],
  },
  {
    name: "a hash in a line's proof",
    change: (json) => set(json, ["lines", 2, "proof", 0], name32("elsewhere")),
    expected: [{ line: 2, code: "receipt_not_in_batch" }],
  },
  {
    name: "the price in a line",
    change: bump("lines", 0, "prices", "outputTokensNano"),
    expected: [{ line: 0, code: "price_mismatch", path: "lines[0].prices.outputTokensNano" }],
  },
  {
    name: "the price in the tariff",
    change: bump("tariffs", 0, "models", 0, "prices", "inputTokensNano"),
    expected: [
      { line: 0, code: "unknown_tariff" },
      { line: null, code: "unused_tariff", path: "tariffs[0]" },
    ],
  },
  {
    name: "the tariff hash of a line",
    change: (json) => set(json, ["lines", 0, "tariffHash"], name32("another tariff")),
    expected: [
      { line: 0, code: "wrong_tariff", path: "lines[0].tariffHash" },
      { line: 0, code: "unknown_tariff", path: "lines[0].tariffHash" },
    ],
  },
  {
    name: "the tariff version of a line",
    change: (json) => set(json, ["lines", 0, "tariffVersion"], 4),
    expected: [{ line: 0, code: "wrong_tariff", path: "lines[0].tariffVersion" }],
  },
  {
    name: "the gateway's signature",
    change: (json) => set(json, ["lines", 1, "receiptSignature"], at(json, ["lines", 0, "receiptSignature"])),
    expected: [{ line: 1, code: "invalid_gateway_signature", path: "lines[1].receiptSignature" }],
  },
  {
    name: "the cost inside a receipt",
    change: bump("lines", 3, "receipt", "costNano"),
    expected: [
      { line: 3, code: "invalid_gateway_signature" },
      { line: 3, code: "receipt_not_in_batch" },
      { line: 3, code: "cost_mismatch" },
    ],
  },
  {
    name: "the units of a line",
    change: bump("lines", 0, "units", "inputTokens"),
    expected: [{ line: 0, code: "units_mismatch", path: "lines[0].units.inputTokens" }],
  },
  {
    name: "the model of a line",
    change: (json) => set(json, ["lines", 0, "model"], "sim-chat-huge"),
    expected: [
      { line: 0, code: "model_hash_mismatch" },
      { line: 0, code: "unknown_model" },
    ],
  },
  {
    name: "the settlement transaction of a line",
    change: (json) => set(json, ["lines", 1, "settlement", "transactionHash"], name32("no such transaction")),
    expected: [{ line: 1, code: "transaction_not_found" }],
  },
  {
    name: "the settlement transaction of a line, to one that exists",
    change: (json) =>
      set(json, ["lines", 1, "settlement", "transactionHash"], at(json, ["batches", 1, "transactionHash"])),
    expected: [{ line: 1, code: "settlement_not_on_chain" }],
  },
  {
    name: "the log of a line's settlement",
    change: (json) => set(json, ["lines", 1, "settlement", "logIndex"], 99),
    expected: [{ line: 1, code: "settlement_mismatch", path: "lines[1].settlement.logIndex" }],
  },
  {
    name: "a line's removal",
    change: (json) => {
      list(json, ["lines"]).pop();
    },
    expected: [{ line: null, code: "missing_line", path: "settlements[2]" }],
  },
  {
    name: "a line's repetition",
    change: (json) => {
      const lines = list(json, ["lines"]);
      const copy = structuredClone(at(json, ["lines", 0]));
      set(copy, ["index"], lines.length);
      lines.push(copy);
    },
    expected: [{ line: 4, code: "duplicate_receipt" }],
  },
  {
    name: "the order of the lines",
    change: (json) => {
      list(json, ["lines"]).reverse();
    },
    expected: [{ line: 0, code: "line_index_mismatch" }],
  },
  {
    name: "a line moved to a foreign batch",
    change: (json) => set(json, ["lines", 0, "batch"], structuredClone(at(json, ["lines", 3, "batch"]))),
    expected: [
      { line: 0, code: "receipt_not_in_batch" },
      { line: 0, code: "settlement_not_on_chain" },
    ],
  },
  {
    name: "a line in a batch that nobody committed",
    change: (json) => set(json, ["lines", 0, "batch", "batchNumber"], "77"),
    expected: [
      { line: 0, code: "unknown_batch" },
      { line: 0, code: "root_not_on_chain" },
    ],
  },
  {
    name: "a line's batch hash",
    change: (json) => set(json, ["lines", 0, "batch", "batchHash"], name32("batch")),
    expected: [{ line: 0, code: "batch_hash_mismatch" }],
  },
];

describe("a changed line", () => {
  test.each(tamperings)("even re-signed by its issuer, $name is found", (tampering) =>
    expectFound(world, tampering),
  );
});

test("every problem is listed, not the first only", async () => {
  const json = invoiceJson(world);
  for (const { change } of tamperings.slice(0, 3)) change(json);
  const { problems } = await verifyIn(world, json);
  expect(new Set(problems.map(({ line }) => line))).toEqual(new Set([null, 0, 1, 2]));
});
