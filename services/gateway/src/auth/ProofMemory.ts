import type { Hex } from "viem";

const LARGEST_GENERATION = 500_000;

/**
 * Proofs this replica has accepted, as a first look before the store, which all replicas share, decides. Two generations
 * swapped by time, or earlier when one is full: what is forgotten early costs a question to the store, never a replay.
 * Only proofs whose signature was verified come in, so filling it costs a stranger a signature each, and gains nothing.
 */
export class ProofMemory {
  readonly #generationMs: number;
  readonly #largest: number;
  #young = new Set<Hex>();
  #old = new Set<Hex>();
  #swapAtMs = 0;

  constructor(memoryMs: number, largest = LARGEST_GENERATION) {
    this.#generationMs = memoryMs;
    this.#largest = largest;
  }

  has(proofHash: Hex): boolean {
    return this.#young.has(proofHash) || this.#old.has(proofHash);
  }

  add(proofHash: Hex, nowMs: number): void {
    if (nowMs >= this.#swapAtMs || this.#young.size >= this.#largest) {
      this.#old = nowMs >= this.#swapAtMs + this.#generationMs ? new Set() : this.#young;
      this.#young = new Set();
      this.#swapAtMs = nowMs + this.#generationMs;
    }
    this.#young.add(proofHash);
  }

  get size(): number {
    return this.#young.size + this.#old.size;
  }
}
