import { SimpleMerkleTree } from "@openzeppelin/merkle-tree";
import fc from "fast-check";
import { MerkleTree as ReferenceTree } from "merkletreejs";
import { keccak256 } from "viem";
import { describe, expect, it } from "vitest";
import { type Hex, MerkleTree } from "../src/index.ts";
import { bytes32 } from "./arbitraries.ts";
import { repeated } from "./fixtures.ts";

const leavesOf = (maxLength: number) => fc.array(bytes32, { minLength: 1, maxLength });

describe("MerkleTree", () => {
  it("has one leaf for a root", () => {
    expect(MerkleTree.root([repeated("01")])).toBe(repeated("01"));
    expect(MerkleTree.proof([repeated("01")], 0)).toEqual([]);
    expect(MerkleTree.verify(repeated("01"), repeated("01"), [])).toBe(true);
  });

  it("sorts each pair", () => {
    const expected = keccak256(`0x${"01".repeat(32)}${"02".repeat(32)}`);
    expect(MerkleTree.root([repeated("01"), repeated("02")])).toBe(expected);
    expect(MerkleTree.root([repeated("02"), repeated("01")])).toBe(expected);
  });

  it("equals @openzeppelin/merkle-tree, root and proofs, for any number of leaves", () => {
    fc.assert(
      fc.property(leavesOf(70), (leaves) => {
        const reference = SimpleMerkleTree.of(leaves, { sortLeaves: false });
        expect(MerkleTree.root(leaves)).toBe(reference.root);
        const index = leaves.length >> 1;
        expect(MerkleTree.proof(leaves, index)).toEqual(reference.getProof(index));
      }),
      { numRuns: 40 },
    );
  });

  it("equals merkletreejs as a complete tree with sorted pairs, which takes the deepest leaves first", () => {
    fc.assert(
      fc.property(leavesOf(70), (leaves) => {
        const hash = (node: Buffer) => keccak256(node, "bytes");
        const options = { complete: true, sortPairs: true, hashLeaves: false };
        const root = MerkleTree.root(leaves);
        expect(root).toBe(new ReferenceTree(deepestFirst(leaves), hash, options).getHexRoot());
        const index = leaves.length >> 1;
        const proof = MerkleTree.proof(leaves, index);
        expect(ReferenceTree.verify(proof, leaves[index] as Hex, root, hash, options)).toBe(true);
      }),
      { numRuns: 40 },
    );
  });

  it("proves every leaf, and only under its own root", () => {
    fc.assert(
      fc.property(leavesOf(40), fc.nat(), bytes32, (leaves, seed, stranger) => {
        const index = seed % leaves.length;
        const root = MerkleTree.root(leaves);
        const leaf = leaves[index] as Hex;
        const proof = MerkleTree.proof(leaves, index);
        expect(MerkleTree.verify(root, leaf, proof)).toBe(true);
        expect(MerkleTree.verify(root, stranger, proof)).toBe(leaves.includes(stranger) && stranger === leaf);
        expect(MerkleTree.verify(stranger, leaf, proof)).toBe(false);
        expect(MerkleTree.verify(root, leaf, [...proof, stranger])).toBe(false);
      }),
      { numRuns: 40 },
    );
  });

  it("refuses what is no tree, no leaf, or no hex", () => {
    const root = repeated("01");
    expect(() => MerkleTree.root([])).toThrow(RangeError);
    expect(() => MerkleTree.root(["0x01"])).toThrow(TypeError);
    for (const index of [-1, 1, 0.5, Number.NaN]) {
      expect(() => MerkleTree.proof([root], index)).toThrow(RangeError);
    }
    expect(MerkleTree.verify(root, "0x01", [])).toBe(false);
    expect(MerkleTree.verify(root, root, ["0xzz"])).toBe(false);
    expect(MerkleTree.verify("0x", root, [])).toBe(false);
  });
});

/** The order in which merkletreejs wants the leaves of OpenZeppelin's array layout. */
function deepestFirst(leaves: readonly Hex[]): Hex[] {
  const deepest = 2 * leaves.length - 2 ** Math.ceil(Math.log2(leaves.length));
  return [...leaves.slice(0, deepest).reverse(), ...leaves.slice(deepest).reverse()];
}
