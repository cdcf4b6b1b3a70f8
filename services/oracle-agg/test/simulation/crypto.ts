import { BatchHeader, ThresholdBls } from "@tac/protocol";
import type { Hex } from "viem";
import type { Crypto } from "../../src/protocol/Crypto.ts";
import { domains } from "../support/World.ts";

export type SimulatedCrypto = {
  of(replica: number): Crypto;
  partialBy(replica: number, batchHash: Hex): Hex;
};

const hashes = new WeakMap<BatchHeader.BatchHeader, Hex>();

const hashOf = (header: BatchHeader.BatchHeader): Hex => {
  const known = hashes.get(header) ?? BatchHeader.hash(header, domains.usageReceipts);
  hashes.set(header, known);
  return known;
};

const voteBy = (replica: number, text: string): string => `${replica} says ${text}`;

const votes = (replica: number) => ({
  hashOf,
  vote: (text: string) => voteBy(replica, text),
  isVoteOf: (signer: number, text: string, signature: string) => signature === voteBy(signer, text),
});

/** Signatures that say whose they are; nothing in a simulation makes one in another's name. */
export const symbolicCrypto = (threshold: number): SimulatedCrypto => {
  const partialBy = (replica: number, batchHash: Hex): Hex => `0x${replica}:${batchHash}`;
  return {
    partialBy,
    of: (replica) => ({
      ...votes(replica),
      partial: (batchHash) => partialBy(replica, batchHash),
      isPartialOf: (signer, batchHash, partial) => partial === partialBy(signer, batchHash),
      combine: (partials) => {
        const batchHash = partials[0]?.signature.split(":")[1];
        const isSound = partials.every((one) => one.signature === partialBy(one.replica, batchHash as Hex));
        const signers = new Set(partials.map((one) => one.replica));
        return isSound && signers.size >= threshold ? `0xgroup:${batchHash}` : "0xnonsense";
      },
      isSignedByGroup: (batchHash, signature) => signature === `0xgroup:${batchHash}`,
    }),
  };
};

/** A secret shared by a dealer, which is good enough here, on a curve of degree two: any three of the four shares sign. */
export const dealt = (() => {
  const order = 0x73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000001n;
  const coefficients = [0x1234567890abcdefn, 0xfedcba0987654321n, 0x0f1e2d3c4b5a6978n];
  const at = (x: bigint): Hex => {
    const value = coefficients.reduce(
      (sum, coefficient, power) => sum + coefficient * x ** BigInt(power),
      0n,
    );
    return `0x${(value % order).toString(16).padStart(64, "0")}`;
  };
  return { shares: [1n, 2n, 3n, 4n].map(at), groupPublicKey: ThresholdBls.publicKey(at(0n)) };
})();

/** The real threshold BLS, for some seeds. */
export const realCrypto = (dealt: { shares: readonly Hex[]; groupPublicKey: Hex }): SimulatedCrypto => {
  const publicShares = dealt.shares.map((share) => ThresholdBls.publicKey(share));
  const partialBy = (replica: number, batchHash: Hex): Hex =>
    ThresholdBls.partialSign(batchHash, dealt.shares[replica - 1] ?? "0x");
  return {
    partialBy,
    of: (replica) => ({
      ...votes(replica),
      partial: (batchHash) => partialBy(replica, batchHash),
      isPartialOf: (signer, batchHash, partial) =>
        ThresholdBls.verifyPartial(batchHash, partial, publicShares[signer - 1] ?? "0x"),
      combine: (partials) => {
        try {
          return ThresholdBls.combine(
            partials.map((one) => ({ index: one.replica, signature: one.signature })),
          );
        } catch {
          // A partial signature that is no point of the group.
          return null;
        }
      },
      isSignedByGroup: (batchHash, signature) =>
        ThresholdBls.verify(batchHash, signature, dealt.groupPublicKey),
    }),
  };
};
