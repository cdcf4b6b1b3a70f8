import { ThresholdBls } from "@tac/protocol";
import type { Hex } from "viem";
import type { PartialAnswer } from "../peers/PeerPort.ts";
import type { Partial } from "../store/content.ts";

export type CollectInput = {
  batchHash: Hex;
  threshold: number;
  groupPublicKey: Hex;
  publicShares: readonly { replica: number; publicShare: Hex }[];
  /** One per replica, the proposer's own included; a rejection is that replica's refusal or silence. */
  answers: readonly { replica: number; answer: Promise<PartialAnswer> }[];
  onFailure: (replica: number, error: unknown) => void;
  /** A replica whose partial signature does not verify under its public share. */
  onBad: (replica: number) => void;
};

export type Collected = { signature: Hex; partials: Partial[] };

/**
 * Waits for the first t partial signatures and combines them. Only when the combination does not verify are they
 * checked one by one; bad ones are named and replaced by later answers. Null when fewer than t good ones came.
 */
export const collect = async (input: CollectInput): Promise<Collected | null> => {
  const { batchHash, threshold, groupPublicKey, answers } = input;
  let waiting = answers.map(({ replica, answer }) => {
    const settled = answer.then(
      ({ partialSignature }) => ({ replica, signature: partialSignature }),
      (error: unknown) => {
        input.onFailure(replica, error);
        return { replica, signature: null };
      },
    );
    return { replica, settled };
  });
  let good: { replica: number; signature: Hex }[] = [];
  while (waiting.length > 0) {
    const { replica, signature } = await Promise.race(waiting.map(({ settled }) => settled));
    waiting = waiting.filter((entry) => entry.replica !== replica);
    if (signature === null) continue;
    good.push({ replica, signature });
    if (good.length < threshold) continue;
    const combined = combine(good);
    if (combined !== null && ThresholdBls.verify(batchHash, combined, groupPublicKey))
      return { signature: combined, partials: good.map((partial) => withShare(input, partial)) };
    const verified = good.filter((partial) =>
      ThresholdBls.verifyPartial(batchHash, partial.signature, withShare(input, partial).publicShare),
    );
    for (const bad of good) if (!verified.includes(bad)) input.onBad(bad.replica);
    good = verified;
  }
  return null;
};

const combine = (partials: readonly { replica: number; signature: Hex }[]): Hex | null => {
  try {
    return ThresholdBls.combine(partials.map(({ replica, signature }) => ({ index: replica, signature })));
  } catch {
    // A partial that is no point of the group; checking one by one finds whose it is.
    return null;
  }
};

const withShare = ({ publicShares }: CollectInput, partial: { replica: number; signature: Hex }): Partial => {
  const share = publicShares.find(({ replica }) => replica === partial.replica);
  if (share === undefined) throw new Error(`There is no public share of replica ${partial.replica}.`);
  return { ...partial, publicShare: share.publicShare };
};
