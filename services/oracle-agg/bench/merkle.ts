import { MerkleTree, UsageReceipt } from "@tac/protocol";
import { TestGateway } from "../test/support/TestGateway.ts";
import { call, hex32, openJob } from "../test/support/World.ts";
import type { MerkleResult } from "./meter.ts";

/** The Merkle tree of many receipts, from the receipts to the root. Writes one JSON line. `merkle.ts <receipts>`. */
const receipts = Number(process.argv[2] ?? "100000");
const ROUNDS = 5;

const { receipt } = call(openJob(new TestGateway().account));
const all = Array.from({ length: receipts }, () => ({ ...receipt, receiptId: hex32(), proofHash: hex32() }));
const rounds = Array.from({ length: ROUNDS }, () => {
  const startedAt = performance.now();
  const leaves = all.map(UsageReceipt.leaf);
  const hashedAt = performance.now();
  MerkleTree.root(leaves);
  return {
    leafSeconds: (hashedAt - startedAt) / 1_000,
    treeSeconds: (performance.now() - hashedAt) / 1_000,
  };
});
const best = rounds.reduce((least, one) =>
  one.leafSeconds + one.treeSeconds < least.leafSeconds + least.treeSeconds ? one : least,
);
const result: MerkleResult = { receipts, ...best };
console.log(JSON.stringify(result));
