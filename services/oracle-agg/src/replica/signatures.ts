import { sign as signBytes, verify as verifyBytes } from "node:crypto";
import { BatchHeader, type Deployment, PeerAuth, ThresholdBls } from "@tac/protocol";
import type { AggregatorSet } from "../keys/AggregatorSet.ts";
import type { KeyShare } from "../keys/KeyShare.ts";
import type { NodeKey } from "../keys/NodeKey.ts";
import type { Crypto } from "../protocol/Crypto.ts";

/** Votes signed with Ed25519 node keys (RFC 8032), batches with shares of the group's BLS key. */
export const createCrypto = ({
  set,
  nodeKey,
  key,
  domains,
}: {
  set: AggregatorSet;
  nodeKey: NodeKey;
  key: KeyShare;
  domains: Deployment.Domains;
}): Crypto => {
  const nodeKeys = new Map(set.replicas.map(({ id, nodePublicKey }) => [id, PeerAuth.enrol(nodePublicKey)]));
  const shareOf = (replica: number) => key.publicShares.find((one) => one.replica === replica)?.publicShare;
  return {
    hashOf: (header) => BatchHeader.hash(header, domains.usageReceipts),
    vote: (text) => signBytes(null, Buffer.from(text), nodeKey.signing).toString("base64url"),
    isVoteOf: (replica, text, signature) => {
      const publicKey = nodeKeys.get(replica);
      const bytes = Buffer.from(signature, "base64url");
      return (
        publicKey !== undefined &&
        bytes.length === 64 &&
        bytes.toString("base64url") === signature &&
        verifyBytes(null, Buffer.from(text), publicKey, bytes)
      );
    },
    partial: (batchHash) => ThresholdBls.partialSign(batchHash, key.share),
    isPartialOf: (replica, batchHash, partial) => {
      const publicShare = shareOf(replica);
      return publicShare !== undefined && ThresholdBls.verifyPartial(batchHash, partial, publicShare);
    },
    combine: (partials) => {
      try {
        return ThresholdBls.combine(
          partials.map(({ replica, signature }) => ({ index: replica, signature })),
        );
      } catch {
        // A partial that is no point of the group; checking one by one finds whose it is.
        return null;
      }
    },
    isSignedByGroup: (batchHash, signature) => ThresholdBls.verify(batchHash, signature, key.groupPublicKey),
  };
};
