import { MerkleTree, UsageReceipt } from "@tac/protocol";
import type { Hex } from "viem";
import type { BatchStore } from "../store/BatchStore.ts";
import type { SignedReceipt } from "../store/content.ts";

type ProvenBatch = { receipts: SignedReceipt[]; indexOf: Map<Hex, number>; tree: MerkleTree.Tree };

/** A tree of 10,000 receipts is some megabytes, and callers ask for the receipts of recent batches. */
const KEPT_BATCHES = 8;

/** Merkle proofs of settled receipts; the trees of the last batches asked for are kept, for batches never change. */
export class ReceiptProofs {
  readonly #batches: BatchStore;
  readonly #kept = new Map<bigint, ProvenBatch>();

  constructor(batches: BatchStore) {
    this.#batches = batches;
  }

  /** The receipt with its batch and proof, or null while it is in no committed batch. */
  async find(receiptId: Hex): Promise<(SignedReceipt & { batchNumber: bigint; proof: Hex[] }) | null> {
    const batchNumber = await this.#batches.batchOfReceipt(receiptId);
    if (batchNumber === null) return null;
    const { receipts, indexOf, tree } = await this.#batch(batchNumber);
    const index = indexOf.get(receiptId) ?? -1;
    const settled = receipts[index];
    if (settled === undefined) throw new Error(`Batch ${batchNumber} lacks receipt ${receiptId}.`);
    return { ...settled, batchNumber, proof: MerkleTree.proofOf(tree, index) };
  }

  async #batch(batchNumber: bigint): Promise<ProvenBatch> {
    const kept = this.#kept.get(batchNumber);
    if (kept !== undefined) return kept;
    const body = await this.#batches.batch(batchNumber);
    if (body === null) throw new Error(`Batch ${batchNumber} is not applied.`);
    const proven = {
      receipts: body.receipts,
      indexOf: new Map(body.receipts.map(({ receipt }, index) => [receipt.receiptId, index])),
      tree: MerkleTree.build(body.receipts.map(({ receipt }) => UsageReceipt.leaf(receipt))),
    };
    const [oldest] = this.#kept.keys();
    if (this.#kept.size >= KEPT_BATCHES && oldest !== undefined) this.#kept.delete(oldest);
    this.#kept.set(batchNumber, proven);
    return proven;
  }
}
