import { Wire } from "@tac/protocol";
import { describe, expect, test } from "vitest";
import { invoiceJson, list, set, verifyIn } from "./invoiceJson.ts";
import { bump, expectFound, type Tampering } from "./tampering.ts";
import { billingKey, createWorld, issuer, name32 } from "./world.ts";

const world = createWorld();

const tamperings: Tampering[] = [
  {
    name: "the fee of a settlement",
    change: bump("settlements", 0, "feeNano"),
    expected: [{ line: null, code: "settlement_mismatch", path: "settlements[0].feeNano" }],
  },
  {
    name: "the totals",
    change: bump("totals", "totalNano"),
    expected: [{ line: null, code: "totals_mismatch", path: "totals.totalNano" }],
  },
  {
    name: "the tax",
    change: bump("totals", "taxNano"),
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
    change: bump("lock", "maxSpendNano"),
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

  test.each(tamperings)("even re-signed by its issuer, $name is found", (tampering) =>
    expectFound(world, tampering),
  );
});
