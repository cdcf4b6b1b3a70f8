import type { Hex } from "viem";
import { bytesEqual, fromHex, toHex } from "./internal/bytes.ts";
import { keccak } from "./internal/keccak.ts";

/**
 * The complete binary tree of OpenZeppelin's merkle-tree library (leaves kept in their order, pairs sorted),
 * in one flat array: node i has the children 2i + 1 and 2i + 2, and the leaves stand at the end in reverse.
 * It equals merkletreejs with `{ complete: true, sortPairs: true }`, and its proofs pass MerkleProof.sol.
 */
export type Tree = { readonly nodes: Uint8Array; readonly leafCount: number };

/** RangeError without leaves; TypeError for a leaf that is not 32 bytes. */
export function build(leaves: readonly Hex[]): Tree {
  if (leaves.length === 0) throw new RangeError("A Merkle tree needs at least one leaf.");
  const nodeCount = 2 * leaves.length - 1;
  const nodes = new Uint8Array(32 * nodeCount);
  leaves.forEach((leaf, index) => {
    nodes.set(fromHex(leaf, 32), 32 * (nodeCount - 1 - index));
  });
  const pair = new Uint8Array(64);
  for (let index = leaves.length - 2; index >= 0; index--) {
    nodes.set(hashPair(nodeAt(nodes, 2 * index + 1), nodeAt(nodes, 2 * index + 2), pair), 32 * index);
  }
  return { nodes, leafCount: leaves.length };
}

export function rootOf(tree: Tree): Hex {
  return toHex(nodeAt(tree.nodes, 0));
}

/** RangeError when the tree has no such leaf. */
export function proofOf(tree: Tree, index: number): Hex[] {
  if (!Number.isInteger(index) || index < 0 || index >= tree.leafCount) {
    throw new RangeError(`The tree has no leaf ${index}.`);
  }
  const siblings: Hex[] = [];
  for (let node = 2 * tree.leafCount - 2 - index; node > 0; node = (node - 1) >> 1) {
    siblings.push(toHex(nodeAt(tree.nodes, node % 2 === 1 ? node + 1 : node - 1)));
  }
  return siblings;
}

/** Root of the leaves in their order; the root of one leaf is the leaf. */
export function root(leaves: readonly Hex[]): Hex {
  return rootOf(build(leaves));
}

/** Siblings from the leaf up. For many proofs of one tree, `build` once and use `proofOf`. */
export function proof(leaves: readonly Hex[], index: number): Hex[] {
  return proofOf(build(leaves), index);
}

/** As OpenZeppelin's `MerkleProof.verify`. False, never an error, for malformed hex. */
export function verify(expectedRoot: Hex, leaf: Hex, siblings: readonly Hex[]): boolean {
  if (![expectedRoot, leaf, ...siblings].every((node) => /^0x[0-9a-fA-F]{64}$/.test(node))) return false;
  const pair = new Uint8Array(64);
  const computed = siblings.reduce<Uint8Array>(
    (node, sibling) => hashPair(node, fromHex(sibling, 32), pair),
    fromHex(leaf, 32),
  );
  return bytesEqual(computed, fromHex(expectedRoot, 32));
}

function nodeAt(nodes: Uint8Array, index: number): Uint8Array {
  return nodes.subarray(32 * index, 32 * index + 32);
}

function hashPair(left: Uint8Array, right: Uint8Array, pair: Uint8Array): Uint8Array {
  const isSorted = Buffer.compare(left, right) <= 0;
  pair.set(isSorted ? left : right, 0);
  pair.set(isSorted ? right : left, 32);
  return keccak(pair);
}
