import type { Hex } from "@tac/protocol";

/**
 * Remembers for at least `windowSeconds` which receipt a proof was used for. Two generations swapped by time keep it
 * cheap and let it forget.
 */
export const createReplayGuard = (windowSeconds: number) => {
  let young = new Map<Hex, Hex>();
  let old = new Map<Hex, Hex>();
  let swapAt = 0;
  return {
    /** True when the proof is new, or comes again for the same receipt, as a gateway's retry does. */
    admit: (proofHash: Hex, receiptId: Hex, nowSeconds: number): boolean => {
      if (nowSeconds >= swapAt) {
        old = nowSeconds >= swapAt + windowSeconds ? new Map() : young;
        young = new Map();
        swapAt = nowSeconds + windowSeconds;
      }
      const known = young.get(proofHash) ?? old.get(proofHash);
      if (known === undefined) young.set(proofHash, receiptId);
      return known === undefined || known === receiptId;
    },
  };
};
