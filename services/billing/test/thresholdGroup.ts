import { ThresholdBls } from "@tac/protocol";
import { type Hex, numberToHex } from "viem";

const ORDER = 0x73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000001n;

/** A 3-of-4 group whose secret a polynomial shares; a dealer is enough for tests. */
export type ThresholdGroup = {
  publicKey: Hex;
  publicShareOf: (replica: number) => Hex;
  sign: (message: Hex) => {
    signature: Hex;
    signers: { replica: number; publicShare: Hex; partialSignature: Hex }[];
  };
};

export function createThresholdGroup(seed: bigint): ThresholdGroup {
  const coefficients = [seed, seed * 7n + 11n, seed * 13n + 5n];
  const shareOf = (replica: number): Hex => {
    const x = BigInt(replica);
    const share = coefficients.reduceRight((sum, coefficient) => (sum * x + coefficient) % ORDER, 0n);
    return numberToHex(share, { size: 32 });
  };
  const publicShares = new Map(
    [1, 2, 3, 4].map((replica) => [replica, ThresholdBls.publicKey(shareOf(replica))]),
  );
  const publicShareOf = (replica: number): Hex => {
    const share = publicShares.get(replica);
    if (share === undefined) throw new Error(`The group has no replica ${replica}.`);
    return share;
  };
  return {
    publicKey: ThresholdBls.publicKey(shareOf(0)),
    publicShareOf,
    sign: (message) => {
      const signers = [1, 2, 4].map((replica) => ({
        replica,
        publicShare: publicShareOf(replica),
        partialSignature: ThresholdBls.partialSign(message, shareOf(replica)),
      }));
      const signature = ThresholdBls.combine(
        signers.map(({ replica, partialSignature }) => ({ index: replica, signature: partialSignature })),
      );
      return { signature, signers };
    },
  };
}
