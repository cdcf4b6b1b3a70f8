import { describe, test } from "vitest";
import { at, list, set } from "./invoiceJson.ts";
import { bump, expectFound, type Tampering } from "./tampering.ts";
import { createWorld } from "./world.ts";

const world = createWorld();

const tamperings: Tampering[] = [
  {
    name: "a member of a batch header",
    change: bump("batches", 0, "header", "windowEnd"),
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
];

describe("a changed batch", () => {
  test.each(tamperings)("even re-signed by its issuer, $name is found", (tampering) =>
    expectFound(world, tampering),
  );
});
