import { ThresholdBls } from "@tac/protocol";
import type { Hex } from "viem";
import { type AggregatorSet, membershipHash, type ReplicaEntry } from "../keys/AggregatorSet.ts";
import { DkgError } from "./DkgError.ts";
import type { Confirmation, DkgStatus, PartialPossession, Round1Message, Round2Message } from "./messages.ts";
import { ceremonyIdOf, isSameGoal, type Plan } from "./Plan.ts";

/** How the admin command reaches one replica; HTTP in production, a direct call in tests. */
export type DkgPeer = {
  status(): Promise<DkgStatus>;
  round1(plan: Plan): Promise<Round1Message>;
  round2(plan: Plan, round1: Round1Message[]): Promise<Round2Message[]>;
  round3(plan: Plan, round1: Round1Message[], round2: Round2Message[]): Promise<Confirmation>;
  possession(plan: Plan, confirmations: Confirmation[]): Promise<PartialPossession>;
  finish(plan: Plan, confirmations: Confirmation[], possessionProof: Hex): Promise<void>;
};

/** The public result of a ceremony, as openLane and rotateKey of UsageReceipts take it. */
export type GroupKey = {
  laneId: number;
  /** The key epoch of the lane in which the shares are good. */
  keyEpoch: number;
  threshold: number;
  /** G2, 256 bytes, encoded per EIP-2537. */
  groupPublicKey: Hex;
  /** G1, 128 bytes. */
  possessionProof: Hex;
  publicShares: { replica: number; publicShare: Hex }[];
  transcriptHash: Hex;
};

export type CeremonyGoal = {
  /** Who gets the key. */
  set: AggregatorSet;
  keyEpoch: number;
  /** Whose group key is handed on; null for a new one. */
  from: { set: AggregatorSet; keyEpoch: number } | null;
};

export type PeerOf = (entry: ReplicaEntry) => DkgPeer;

type Member = { id: number; peer: DkgPeer; status: DkgStatus | null };

/**
 * Relays a dealerless key generation, or a resharing, between the replicas. It sees no secret. It may be stopped and run
 * again: an unfinished ceremony goes on, a finished one only reports its key. All who get a share must be up; of those who
 * hand a key on, as many as their threshold.
 * Errors: DkgError that names who is missing or at fault, and whatever a peer's call rejects with.
 */
export const runCeremony = async (
  { set, keyEpoch, from }: CeremonyGoal,
  peerOf: PeerOf,
): Promise<GroupKey> => {
  const goal = {
    kind: from === null ? ("generate" as const) : ("reshare" as const),
    laneId: set.laneId,
    keyEpoch,
    membership: membershipHash(set),
    from:
      from === null ? null : { keyEpoch: from.keyEpoch, membership: membershipHash(from.set), dealers: [] },
  };
  const peers = new Map<string, DkgPeer>();
  const memberOf = async (entry: ReplicaEntry): Promise<Member> => {
    const peer = peers.get(entry.nodePublicKey) ?? peerOf(entry);
    peers.set(entry.nodePublicKey, peer);
    return { id: entry.id, peer, status: await statusOf(peer) };
  };
  const receivers = await Promise.all(set.replicas.map(memberOf));
  const silent = receivers.filter(({ status }) => status === null).map(({ id }) => id);
  if (silent.length > 0)
    throw new DkgError(`Replicas ${silent.join(", ")} of the set that gets the key do not answer.`);
  const holders = from === null ? receivers : await Promise.all(from.set.replicas.map(memberOf));

  const known = plansIn([...receivers, ...holders]).filter((plan) => isSameGoal(plan, goal));
  const newest = known.reduce<Plan | null>(
    (best, plan) => (best === null || plan.attempt > best.attempt ? plan : best),
    null,
  );
  const ended = newest !== null && receivers.every((one) => hasDerived(one, newest)) ? newest : null;
  const plan =
    ended ?? continuable(newest, holders) ?? nextPlan(goal, from, [...receivers, ...holders], holders);
  const dealers = holders.filter(({ id }) => plan.from === null || plan.from.dealers.includes(id));
  const confirmations =
    ended === null
      ? await deal(plan, dealers, receivers)
      : await Promise.all(receivers.map(({ peer }) => peer.round3(plan, [], [])));
  const [first] = confirmations;
  if (first === undefined) throw new DkgError("The set has no replicas.");

  const possessionProof = await provePossession(plan, set, receivers, confirmations, first.groupPublicKey);
  await Promise.all(receivers.map(({ peer }) => peer.finish(plan, confirmations, possessionProof)));
  const leaving = dealers.filter((dealer) => !receivers.some(({ peer }) => peer === dealer.peer));
  await Promise.all(leaving.map(({ peer }) => peer.finish(plan, confirmations, possessionProof)));
  return {
    laneId: set.laneId,
    keyEpoch,
    threshold: set.threshold,
    groupPublicKey: first.groupPublicKey,
    possessionProof,
    publicShares: confirmations.map(({ from: replica, publicShare }) => ({ replica, publicShare })),
    transcriptHash: first.transcriptHash,
  };
};

const statusOf = async (peer: DkgPeer): Promise<DkgStatus | null> => {
  try {
    return await peer.status();
  } catch {
    // Who does not answer is named by the caller, if it is needed.
    return null;
  }
};

const plansIn = (members: readonly Member[]): Plan[] =>
  members.flatMap(({ status }) =>
    status === null
      ? []
      : [...status.keys.map(({ plan }) => plan), ...(status.progress === null ? [] : [status.progress.plan])],
  );

const isOf = (plan: Plan, other: Plan): boolean => ceremonyIdOf(plan) === ceremonyIdOf(other);

const hasDerived = ({ status }: Member, plan: Plan): boolean =>
  status !== null &&
  (status.keys.some((key) => isOf(key.plan, plan)) ||
    (status.progress?.stage === "confirmed" && isOf(status.progress.plan, plan)));

/** A dealer that lost its polynomial cannot go on with an attempt, so all dealers must still have theirs. */
const continuable = (plan: Plan | null, holders: readonly Member[]): Plan | null => {
  if (plan === null) return null;
  const dealers = holders.filter(({ id }) => plan.from === null || plan.from.dealers.includes(id));
  const goesOn = dealers.every(({ status }) => status?.progress && isOf(status.progress.plan, plan));
  return goesOn ? plan : null;
};

const nextPlan = (
  goal: Omit<Plan, "attempt">,
  from: CeremonyGoal["from"],
  members: readonly Member[],
  holders: readonly Member[],
): Plan => {
  const attempts = plansIn(members)
    .filter(({ keyEpoch }) => keyEpoch === goal.keyEpoch)
    .map(({ attempt }) => attempt);
  const attempt = Math.max(0, ...attempts) + 1;
  if (from === null || goal.from === null) return { ...goal, attempt };
  const able = holders.filter(({ status }) =>
    status?.keys.some((key) => key.keyEpoch === from.keyEpoch && key.membership === goal.from?.membership),
  );
  if (able.length < from.set.threshold)
    throw new DkgError(
      `${from.set.threshold} holders of the key of epoch ${from.keyEpoch} must deal, and only ${
        able.map(({ id }) => id).join(", ") || "none"
      } can. Without them the key is lost: rotate to a new one.`,
    );
  return {
    ...goal,
    attempt,
    from: { ...goal.from, dealers: able.slice(0, from.set.threshold).map(({ id }) => id) },
  };
};

const deal = async (
  plan: Plan,
  dealers: readonly Member[],
  receivers: readonly Member[],
): Promise<Confirmation[]> => {
  const round1 = await Promise.all(dealers.map(({ peer }) => peer.round1(plan)));
  const round2 = (await Promise.all(dealers.map(({ peer }) => peer.round2(plan, round1)))).flat();
  return Promise.all(
    receivers.map(({ id, peer }) =>
      peer.round3(
        plan,
        round1,
        round2.filter(({ to }) => to === id),
      ),
    ),
  );
};

/** Every holder signs, so that no share is handed out that does not work; whose signature is wrong is named. */
const provePossession = async (
  plan: Plan,
  { threshold }: AggregatorSet,
  receivers: readonly Member[],
  confirmations: Confirmation[],
  groupPublicKey: Hex,
): Promise<Hex> => {
  const partials = await Promise.all(receivers.map(({ peer }) => peer.possession(plan, confirmations)));
  const message = ThresholdBls.possessionMessage(groupPublicKey);
  for (const { from, publicShare } of confirmations) {
    const signature = partials.find((partial) => partial.from === from)?.signature ?? "0x";
    if (!ThresholdBls.verifyPartial(message, signature, publicShare, ThresholdBls.POSSESSION_DST))
      throw new DkgError(`Replica ${from} signed the possession proof with a wrong share.`, {
        accused: from,
      });
  }
  const proof = ThresholdBls.combine(
    partials.slice(0, threshold).map(({ from, signature }) => ({ index: from, signature })),
  );
  if (!ThresholdBls.verify(message, proof, groupPublicKey, ThresholdBls.POSSESSION_DST))
    throw new DkgError("The combined possession proof does not verify.");
  return proof;
};
