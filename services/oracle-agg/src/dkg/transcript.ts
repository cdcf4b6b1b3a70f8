import { createHash } from "node:crypto";
import type { Hex } from "viem";
import type { KeyShare } from "../keys/KeyShare.ts";
import type { Round1Message } from "./messages.ts";

/** The replica already has a key, or the call does not fit the step the ceremony is at. */
export class DkgError extends Error {
  override name = "DkgError";
}

export const bytesOf = (hex: string): Uint8Array<ArrayBuffer> => Uint8Array.from(Buffer.from(hex, "hex"));

export const shareOf = (shares: KeyShare["publicShares"], replica: number): Hex => {
  const found = shares.find((share) => share.replica === replica);
  if (found === undefined) throw new DkgError(`There is no public share of replica ${replica}.`);
  return found.publicShare;
};

/** SHA-256 (hex) of all signed commitments in replica order: what everybody must have seen alike. */
export const transcriptDigest = (all: readonly Round1Message[]): string =>
  createHash("sha256")
    .update(
      JSON.stringify(
        all.map(({ ceremonyId, from, commitments, proofOfKnowledge, signature }) => [
          ceremonyId,
          from,
          commitments,
          proofOfKnowledge,
          signature,
        ]),
      ),
    )
    .digest("hex");
