import { ThresholdBls } from "@tac/protocol";
import type { Hex } from "viem";
import type { Partial } from "../store/content.ts";
import type { KeyShare } from "./KeyShare.ts";

/**
 * The partial signatures that hold, one per replica, each under the public share the ceremony gave that replica. They
 * end up on invoices as the batch's signers, so a peer's word for them is not enough.
 */
export const soundPartials = (
  partials: readonly Partial[],
  batchHash: Hex,
  { publicShares }: Pick<KeyShare, "publicShares">,
): Partial[] =>
  publicShares.flatMap(({ replica, publicShare }) => {
    const claimed = partials.find(
      (partial) => partial.replica === replica && partial.publicShare === publicShare,
    );
    return claimed !== undefined && ThresholdBls.verifyPartial(batchHash, claimed.signature, publicShare)
      ? [claimed]
      : [];
  });

/** Partial signatures with the public shares of those who gave them. */
export const withShares = (
  partials: readonly { replica: number; signature: Hex }[],
  { publicShares }: Pick<KeyShare, "publicShares">,
): Partial[] =>
  partials.flatMap(({ replica, signature }) => {
    const publicShare = publicShares.find((one) => one.replica === replica)?.publicShare;
    return publicShare === undefined ? [] : [{ replica, publicShare, signature }];
  });
