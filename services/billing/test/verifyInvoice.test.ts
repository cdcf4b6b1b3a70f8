import { Nano, Wire } from "@tac/protocol";
import { describe, expect, test } from "vitest";
import type { ProblemCode } from "../src/verify/Problem.ts";
import { verifyInvoice } from "../src/verify/verifyInvoice.ts";
import { at, invoiceJson, type Json, list, resign, set, verifyIn } from "./invoiceJson.ts";
import { createMemoryChain } from "./memoryChain.ts";
import { billingKey, createWorld, deployment, issuer, name32 } from "./world.ts";

const world = createWorld();
const plusOne = (digits: Json) => (Nano.parse(String(digits)) + 1n).toString();

const bump = (...path: (string | number)[]) => ({
  path,
  change: (json: Json) => set(json, path, plusOne(at(json, path))),
});

type Tampering = {
  name: string;
  change: (json: Json) => void;
  expected: { line: number | null; code: ProblemCode; path?: string }[];
};

const tamperings: Tampering[] = [
  {
    name: "the amount of a line",
    change: bump("lines", 1, "amountNano").change,
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
    change: bump("lines", 0, "prices", "outputTokensNano").change,
    expected: [{ line: 0, code: "price_mismatch", path: "lines[0].prices.outputTokensNano" }],
  },
  {
    name: "the price in the tariff",
    change: bump("tariffs", 0, "models", 0, "prices", "inputTokensNano").change,
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
    change: bump("lines", 3, "receipt", "costNano").change,
    expected: [
      { line: 3, code: "invalid_gateway_signature" },
      { line: 3, code: "receipt_not_in_batch" },
      { line: 3, code: "cost_mismatch" },
    ],
  },
  {
    name: "the units of a line",
    change: bump("lines", 0, "units", "inputTokens").change,
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
    name: "the fee of a settlement",
    change: bump("settlements", 0, "feeNano").change,
    expected: [{ line: null, code: "settlement_mismatch", path: "settlements[0].feeNano" }],
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
  {
    name: "a member of a batch header",
    change: bump("batches", 0, "header", "windowEnd").change,
    expected: [
      { line: null, code: "header_mismatch", path: "batches[0].header.windowEnd" },
      { line: null, code: "batch_hash_mismatch" },
      { line: null, code: "invalid_batch_signature" },
    ],
  },
  {
    name: "the signature of a batch",
    change: (json) => set(json, ["batches", 0, "signature"], at(json, ["batches", 1, "signature"])),
    expected: [{ line: null, code: "invalid_batch_signature", path: "batches[0].signature" }],
  },
  {
    name: "the group key of a batch",
    change: (json) =>
      set(json, ["batches", 0, "publicKey"], at(json, ["batches", 0, "signers", 0, "publicShare"])),
    expected: [
      { line: null, code: "wrong_group_key", path: "batches[0].publicKey" },
      { line: null, code: "invalid_batch_signature" },
    ],
  },
  {
    name: "the share of a signer",
    change: (json) => set(json, ["batches", 1, "signers", 0, "publicShare"], world.group.publicShareOf(3)),
    expected: [
      { line: null, code: "invalid_partial_signature", path: "batches[1].signers[0].partialSignature" },
    ],
  },
  {
    name: "the number of a signer",
    change: (json) => set(json, ["batches", 1, "signers", 0, "replica"], 3),
    expected: [{ line: null, code: "signers_do_not_combine", path: "batches[1].signers" }],
  },
  {
    name: "a signer's removal",
    change: (json) => {
      list(json, ["batches", 0, "signers"]).pop();
    },
    expected: [{ line: null, code: "signers_do_not_combine", path: "batches[0].signers" }],
  },
  {
    name: "a signer's repetition",
    change: (json) => {
      const signers = list(json, ["batches", 0, "signers"]);
      signers.push(structuredClone(signers[0] ?? null));
    },
    expected: [{ line: null, code: "duplicate_signer", path: "batches[0].signers" }],
  },
  {
    name: "the totals",
    change: bump("totals", "totalNano").change,
    expected: [{ line: null, code: "totals_mismatch", path: "totals.totalNano" }],
  },
  {
    name: "the tax",
    change: bump("totals", "taxNano").change,
    expected: [{ line: null, code: "tax_mismatch", path: "totals.taxNano" }],
  },
  {
    name: "a settlement's removal",
    change: (json) => {
      list(json, ["settlements"]).shift();
    },
    expected: [
      { line: null, code: "missing_settlement" },
      { line: 0, code: "unknown_settlement" },
    ],
  },
  {
    name: "a settlement's repetition",
    change: (json) => {
      const settlements = list(json, ["settlements"]);
      settlements.push(structuredClone(settlements[0] ?? null));
    },
    expected: [{ line: null, code: "duplicate_settlement", path: "settlements[3]" }],
  },
  {
    name: "the status of a settlement",
    change: (json) => set(json, ["settlements", 0, "status"], "PaidInPart"),
    expected: [{ line: null, code: "settlement_mismatch", path: "settlements[0].status" }],
  },
  {
    name: "the amount of the lock",
    change: bump("lock", "maxSpendNano").change,
    expected: [{ line: null, code: "lock_mismatch", path: "lock.maxSpendNano" }],
  },
  {
    name: "the tenant",
    change: (json) => set(json, ["tenant"], issuer),
    expected: [{ line: null, code: "lock_mismatch", path: "tenant" }],
  },
  {
    name: "an invented release",
    change: (json) =>
      set(json, ["release"], { transactionHash: name32("release"), blockNumber: "30", releasedNano: "1" }),
    expected: [{ line: null, code: "release_mismatch", path: "release" }],
  },
  {
    name: "the invoice id",
    change: (json) => set(json, ["invoiceId"], name32("another invoice")),
    expected: [{ line: null, code: "wrong_invoice_id" }],
  },
  {
    name: "a contract address",
    change: (json) => set(json, ["deployment", "creditVault"], issuer),
    expected: [{ line: null, code: "wrong_deployment", path: "deployment.creditVault" }],
  },
  {
    name: "the chain",
    change: (json) => set(json, ["chainId"], 8453),
    expected: [{ line: null, code: "wrong_chain" }],
  },
];

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

describe("a changed invoice", () => {
  test("is refused for its signature alone", async () => {
    const json = invoiceJson(world);
    set(json, ["issuedAtMs"], "1");
    const { valid, problems } = await verifyIn(world, json);
    expect(valid).toBe(false);
    expect(problems).toMatchObject([{ line: null, path: "signature", code: "invalid_invoice_signature" }]);
  });

  test("is refused when the signature itself is another's", async () => {
    const json = invoiceJson(world);
    set(json, ["signature"], Wire.signDigest(name32("anything"), billingKey));
    expect((await verifyIn(world, json)).problems).toMatchObject([{ code: "invalid_invoice_signature" }]);
  });

  test.each(tamperings)("even re-signed by its issuer, $name is found", async ({ change, expected }) => {
    const json = structuredClone(invoiceJson(world));
    change(json);
    const signed = resign(json);
    expect(signed).not.toBeNull();
    const { valid, problems } = await verifyIn(world, signed);
    expect(valid).toBe(false);
    expect(problems).toEqual(expect.arrayContaining(expected.map((one) => expect.objectContaining(one))));
    expect(problems.map(({ code }) => code)).not.toContain("invalid_invoice_signature");
  });

  test("every problem is listed, not the first only", async () => {
    const json = invoiceJson(world);
    for (const { change } of tamperings.slice(0, 3)) change(json);
    const { problems } = await verifyIn(world, json);
    expect(new Set(problems.map(({ line }) => line))).toEqual(new Set([null, 0, 1, 2]));
  });
});

describe("the chain's side", () => {
  test("another issuer than the expected one is refused", async () => {
    const result = await verifyInvoice(invoiceJson(world), {
      reader: createMemoryChain(world.state),
      deployment,
      expectedIssuer: deployment.asset,
    });
    expect(result.problems).toMatchObject([{ code: "unexpected_issuer" }]);
  });

  test.each<{ name: string; change: (changed: typeof world) => void; code: ProblemCode }>([
    {
      name: "a gateway nobody enrolled",
      change: ({ state }) => state.gateways.clear(),
      code: "gateway_not_enrolled",
    },
    {
      name: "a gateway removed before the call",
      change: ({ state }) => {
        for (const term of state.gateways.values()) term.removedAt = term.enrolledAt + 1;
      },
      code: "gateway_not_enrolled",
    },
    {
      name: "a tariff that was never published",
      change: ({ state }) => {
        state.events = state.events.filter(({ name }) => name !== "TariffPublished");
      },
      code: "tariff_not_published",
    },
    {
      name: "a job that is still open",
      change: ({ state }) => state.closedJobs.clear(),
      code: "job_not_final",
    },
    {
      name: "a node of another chain",
      change: ({ state }) => {
        state.chainId = 1;
      },
      code: "wrong_chain",
    },
    {
      name: "a batch that was never committed",
      change: ({ state }) => {
        state.events = state.events.filter(({ transactionHash }) => transactionHash !== name32("submit 2"));
      },
      code: "transaction_not_found",
    },
    {
      name: "a lock that was never made",
      change: ({ state }) => {
        state.events = state.events.filter(({ name }) => name !== "Locked");
      },
      code: "lock_not_on_chain",
    },
    {
      name: "a release the invoice does not know",
      change: ({ state, jobId, locked }) => {
        state.events.push({
          name: "Released",
          transactionHash: name32("release"),
          blockNumber: 60n,
          logIndex: 0,
          jobId,
          tenant: locked.tenant,
          releasedNano: 1n,
        });
      },
      code: "missing_release",
    },
  ])("$name is found", async ({ change, code }) => {
    const changed = createWorld();
    const json = invoiceJson(changed);
    change(changed);
    const { valid, problems } = await verifyIn(changed, json);
    expect(valid).toBe(false);
    expect(problems.map((problem) => problem.code)).toContain(code);
  });

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

  test("a chain that does not answer is an error, never a verdict", async () => {
    const reader = createMemoryChain(world.state);
    const broken = { ...reader, lockOf: () => Promise.reject(new Error("down")) };
    await expect(verifyInvoice(invoiceJson(world), { reader: broken, deployment })).rejects.toThrow("down");
  });
});
