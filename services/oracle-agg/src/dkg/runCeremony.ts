import { ThresholdBls } from "@tac/protocol";
import type { Hex } from "viem";
import type { AggregatorSet } from "../keys/AggregatorSet.ts";
import type { Confirmation, DkgStatus, PartialPossession, Round1Message, Round2Message } from "./messages.ts";

/** How the admin command reaches one replica; HTTP in production, a direct call in tests. */
export type DkgPeer = {
  status(): Promise<DkgStatus>;
  round1(attempt: number): Promise<Round1Message>;
  round2(attempt: number, round1: Round1Message[]): Promise<Round2Message[]>;
  round3(attempt: number, round1: Round1Message[], round2: Round2Message[]): Promise<Confirmation>;
  possession(attempt: number, confirmations: Confirmation[]): Promise<PartialPossession>;
  finish(attempt: number, confirmations: Confirmation[], possessionProof: Hex): Promise<void>;
};

/** The public result of a ceremony, as openLane and rotateKey of UsageReceipts take it. */
export type GroupKey = {
  laneId: number;
  threshold: number;
  /** G2, 256 bytes, encoded per EIP-2537. */
  groupPublicKey: Hex;
  /** G1, 128 bytes. */
  possessionProof: Hex;
  publicShares: { replica: number; publicShare: Hex }[];
  transcriptHash: Hex;
};

/**
 * Relays a dealerless key generation between all replicas of a set. It sees no secret. It may be stopped and run again:
 * an unfinished ceremony goes on, a finished one only reports its key.
 * @param peers one per replica, in the order of the set.
 */
export const runCeremony = async (set: AggregatorSet, peers: readonly DkgPeer[]): Promise<GroupKey> => {
  const statuses = await Promise.all(peers.map((peer) => peer.status()));
  const derived = statuses.every(({ stage }) => stage === "confirmed" || stage === "ready");
  if (!derived && statuses.some(({ stage }) => stage === "ready")) {
    const lost = statuses.filter(({ stage }) => stage !== "ready" && stage !== "confirmed");
    throw new Error(
      `Replicas ${lost.map(({ replica }) => replica).join(", ")} lost their share of a finished key; rotate the key.`,
    );
  }
  const attempt = nextAttempt(statuses);
  const confirmations = derived ? await askAgain(peers, attempt) : await generate(peers, attempt);
  const [first] = confirmations;
  if (first === undefined) throw new Error("The set has no replicas.");

  const partials = await Promise.all(peers.map((peer) => peer.possession(attempt, confirmations)));
  const message = ThresholdBls.possessionMessage(first.groupPublicKey);
  const possessionProof = ThresholdBls.combine(
    partials.slice(0, set.threshold).map(({ from, signature }) => ({ index: from, signature })),
  );
  if (!ThresholdBls.verify(message, possessionProof, first.groupPublicKey, ThresholdBls.POSSESSION_DST))
    throw new Error("The combined possession proof does not verify: a replica signed with a wrong share.");
  await Promise.all(peers.map((peer) => peer.finish(attempt, confirmations, possessionProof)));
  return {
    laneId: set.laneId,
    threshold: set.threshold,
    groupPublicKey: first.groupPublicKey,
    possessionProof,
    publicShares: confirmations.map(({ from, publicShare }) => ({ replica: from, publicShare })),
    transcriptHash: first.transcriptHash,
  };
};

// A replica that lost its progress cannot rejoin an attempt, so unequal attempts start a new one together.
const nextAttempt = (statuses: readonly DkgStatus[]): number => {
  const highest = Math.max(...statuses.map(({ attempt }) => attempt));
  if (highest === 0) return 1;
  return statuses.every(({ attempt }) => attempt === highest) ? highest : highest + 1;
};

const askAgain = (peers: readonly DkgPeer[], attempt: number): Promise<Confirmation[]> =>
  Promise.all(peers.map((peer) => peer.round3(attempt, [], [])));

const generate = async (peers: readonly DkgPeer[], attempt: number): Promise<Confirmation[]> => {
  const round1 = await Promise.all(peers.map((peer) => peer.round1(attempt)));
  const round2 = (await Promise.all(peers.map((peer) => peer.round2(attempt, round1)))).flat();
  return Promise.all(
    peers.map((peer, index) =>
      peer.round3(
        attempt,
        round1,
        round2.filter(({ to }) => to === index + 1),
      ),
    ),
  );
};
