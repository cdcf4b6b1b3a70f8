import type { Hex } from "@tac/protocol";

/**
 * Remembers proofs for at least `windowSeconds`. Two generations swapped by time keep it cheap and let it forget.
 */
export const createReplayGuard = (windowSeconds: number) => {
  let young = new Set<Hex>();
  let old = new Set<Hex>();
  let swapAt = 0;
  return {
    /** True when the proof was not seen before. */
    admit: (proofHash: Hex, nowSeconds: number): boolean => {
      if (nowSeconds >= swapAt) {
        old = nowSeconds >= swapAt + windowSeconds ? new Set() : young;
        young = new Set();
        swapAt = nowSeconds + windowSeconds;
      }
      if (young.has(proofHash) || old.has(proofHash)) return false;
      young.add(proofHash);
      return true;
    },
  };
};
