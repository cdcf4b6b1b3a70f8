import type { BatchHeader } from "@tac/protocol";
import type { Hex } from "viem";

/** The signatures a replica makes and checks. Every function is pure, so that a simulation can replay a run. */
export type Crypto = {
  hashOf(header: BatchHeader.BatchHeader): Hex;
  /** Signs a vote with this replica's node key. */
  vote(text: string): string;
  isVoteOf(replica: number, text: string, signature: string): boolean;
  /** This replica's share of the group's signature over a batch. */
  partial(batchHash: Hex): Hex;
  isPartialOf(replica: number, batchHash: Hex, partial: Hex): boolean;
  /** Interpolates t partial signatures; null when one of them is no point of the group. */
  combine(partials: readonly { replica: number; signature: Hex }[]): Hex | null;
  isSignedByGroup(batchHash: Hex, signature: Hex): boolean;
};
