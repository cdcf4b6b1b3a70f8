import { ThresholdBls } from "@tac/protocol";
import type { Hex } from "viem";
import { type AggregatorSet, membershipHash } from "../keys/AggregatorSet.ts";
import { type KeyRing, keyHashOf } from "../keys/KeyRing.ts";
import { type KeyShare, publicPartOf } from "../keys/KeyShare.ts";
import type { NodeKey } from "../keys/NodeKey.ts";
import type { SetBook } from "../keys/SetBook.ts";
import { DkgError } from "./DkgError.ts";
import {
  accuse,
  type CheckedDealings,
  checkDealings,
  checkShare,
  dealerIds,
  dealNewSecret,
  dealOldShare,
  publicResultOf,
  type Roles,
} from "./dealing.ts";
import { addScalars, evaluate, scalarToHex } from "./feldman.ts";
import {
  assertMessage,
  type Complaint,
  type Confirmation,
  type DkgStatus,
  type PartialPossession,
  type Round1Message,
  type Round2Message,
  signMessage,
  transcriptHashOf,
} from "./messages.ts";
import { ceremonyIdOf, type Plan } from "./Plan.ts";
import type { Derived, Progress, ProgressFile } from "./ProgressFile.ts";
import { openShare, sealShare } from "./sealedShare.ts";
import type { Transcript } from "./Transcript.ts";

export type CeremonyOptions = {
  nodeKey: NodeKey;
  book: SetBook;
  ring: KeyRing;
  progress: ProgressFile;
  transcript: Transcript;
  onReady: (key: KeyShare) => void;
  onComplaint?: (complaint: Complaint) => void;
};

/**
 * One node's side of a dealerless key generation, or of a resharing. Whoever relays the messages learns no secret and cannot
 * alter one: messages are signed by node keys, shares are encrypted to their recipient, and no key is used before all its
 * holders confirmed the same transcript. Every step may be repeated, and is answered alike after a restart.
 */
export class Ceremony {
  readonly #options: CeremonyOptions;

  constructor(options: CeremonyOptions) {
    this.#options = options;
  }

  /** How far this node is. */
  status(): DkgStatus {
    const { ring, progress } = this.#options;
    const current = progress.load();
    return {
      replica: this.#anyId(),
      keys: ring.keys.map(({ keyEpoch, set, plan }) => ({ keyEpoch, membership: membershipHash(set), plan })),
      laneEpoch: ring.lane?.keyEpoch ?? null,
      progress:
        current === null
          ? null
          : {
              plan: current.plan,
              stage: current.derived ? "confirmed" : current.round1Hash ? "shared" : "dealt",
            },
    };
  }

  /** Commits to a polynomial: of a fresh secret, or of the old share. A higher attempt forgets an unfinished lower one. */
  round1(plan: Plan): Round1Message {
    const roles = this.#roles(plan);
    this.#assertOpen(plan);
    const dealer = this.#dealerId(roles);
    const current = this.#begun(plan);
    if (current?.round1 !== undefined) return current.round1;
    const { nodeKey, progress, transcript } = this.#options;
    const { coefficients, published } =
      plan.from === null
        ? dealNewSecret(roles, dealer)
        : dealOldShare(roles, dealer, this.#oldKey(plan, plan.from.keyEpoch));
    const round1 = signMessage<Round1Message>(
      "round1",
      { ceremonyId: ceremonyIdOf(plan), from: dealer, ...published },
      nodeKey.signing,
    );
    progress.save({ plan, coefficients: coefficients.map((scalar) => scalar.toString(16)), round1 });
    transcript.append(round1.ceremonyId, "plan", plan);
    transcript.append(round1.ceremonyId, "sent", { round1 });
    return round1;
  }

  /** Checks all commitments and answers with one sealed share for each other holder of the new key. */
  round2(plan: Plan, round1: readonly Round1Message[]): Round2Message[] {
    const roles = this.#roles(plan);
    this.#assertOpen(plan);
    const { nodeKey, progress, transcript } = this.#options;
    const current = this.#at(plan);
    if (current.coefficients === undefined || current.round1 === undefined)
      throw new DkgError("This replica has not dealt in this attempt.");
    const checked = this.#check(roles, round1);
    const own = checked.messages.find(({ from }) => from === current.round1?.from);
    if (own?.signature !== current.round1.signature)
      throw new DkgError("The commitment said to be ours is not.");
    const round1Hash = transcriptHashOf(checked.messages);
    if (current.round1Hash !== undefined && current.round1Hash !== round1Hash)
      throw new DkgError("Other commitments than before: this needs a new attempt.");
    progress.save({ ...current, round1Hash });
    const coefficients = current.coefficients.map((scalar) => BigInt(`0x${scalar}`));
    const ceremonyId = ceremonyIdOf(plan);
    const from = current.round1.from;
    const messages = roles.receivers.replicas
      .filter(({ nodePublicKey }) => nodePublicKey !== nodeKey.nodePublicKey)
      .map(({ id: to, encryptionPublicKey }) => {
        const context = { ceremonyId, from, to };
        const share = Buffer.from(scalarToHex(evaluate(coefficients, to)).slice(2), "hex");
        const sealedShare = sealShare(share, encryptionPublicKey, context);
        return signMessage<Round2Message>("round2", { ...context, sealedShare }, nodeKey.signing);
      });
    for (const message of messages) transcript.append(ceremonyId, "sent", { round2: message });
    return messages;
  }

  /** Opens the shares meant for this replica, checks each against its dealer's commitments, and derives its own share. */
  round3(plan: Plan, round1: readonly Round1Message[], round2: readonly Round2Message[]): Confirmation {
    const roles = this.#roles(plan);
    const finished = this.#finished(plan);
    if (finished !== null) return this.#ownConfirmation(finished);
    this.#assertOpen(plan);
    const { nodeKey, progress, transcript } = this.#options;
    const current = this.#begun(plan) ?? { plan };
    if (current.derived) return current.derived.confirmation;
    const replica = this.#receiverId(roles);
    const checked = this.#check(roles, round1);
    const transcriptHash = transcriptHashOf(checked.messages);
    if (current.round1Hash !== undefined && current.round1Hash !== transcriptHash)
      throw new DkgError("Round 2 saw other commitments.");
    const shares = dealerIds(roles).map((dealer) => this.#shareOf(dealer, roles, checked, round2, current));
    const result = publicResultOf(roles, checked);
    const { handedOn } = checked.messages[0] ?? {};
    if (handedOn && result.groupPublicKey !== handedOn.groupPublicKey)
      throw new DkgError("The resharing gave another group key.");
    const publicShare = result.publicShares.find((one) => one.replica === replica)?.publicShare;
    const share = scalarToHex(addScalars(shares));
    if (publicShare === undefined || ThresholdBls.publicKey(share) !== publicShare)
      throw new DkgError("The derived share is not the one the commitments say.");
    const ceremonyId = ceremonyIdOf(plan);
    const confirmation = signMessage<Confirmation>(
      "confirmation",
      { ceremonyId, from: replica, transcriptHash, groupPublicKey: result.groupPublicKey, publicShare },
      nodeKey.signing,
    );
    progress.save({
      ...current,
      round1Hash: transcriptHash,
      derived: { share, ...result, confirmation, handedOn: handedOn ?? null },
    });
    transcript.append(ceremonyId, "derived", { confirmation });
    return confirmation;
  }

  /** Signs the possession proof in part, once every holder confirmed the same key. */
  possession(plan: Plan, confirmations: readonly Confirmation[]): PartialPossession {
    const roles = this.#roles(plan);
    const derived = this.#finished(plan) ?? this.#derived(plan);
    this.#checkConfirmations(roles, derived, confirmations);
    const message = ThresholdBls.possessionMessage(derived.groupPublicKey);
    return {
      from: this.#receiverId(roles),
      signature: ThresholdBls.partialSign(message, derived.share, ThresholdBls.POSSESSION_DST),
    };
  }

  /** Checks the combined possession proof, stores the share if there is one, destroys the ceremony's secrets. */
  finish(plan: Plan, confirmations: readonly Confirmation[], possessionProof: Hex): void {
    const roles = this.#roles(plan);
    const { ring, progress, transcript, onReady } = this.#options;
    if (this.#finished(plan) !== null) return;
    const replica = this.#receiver(roles);
    if (replica === null) {
      this.#leave(plan);
      return;
    }
    this.#assertOpen(plan);
    const derived = this.#derived(plan);
    const { share, groupPublicKey, publicShares, confirmation, handedOn } = derived;
    this.#checkConfirmations(roles, derived, confirmations);
    const message = ThresholdBls.possessionMessage(groupPublicKey);
    if (!ThresholdBls.verify(message, possessionProof, groupPublicKey, ThresholdBls.POSSESSION_DST))
      throw new DkgError("The possession proof does not verify under the group key.");
    const { receivers } = roles;
    const key: KeyShare = {
      keyEpoch: plan.keyEpoch,
      threshold: receivers.threshold,
      groupPublicKey,
      publicShares,
      laneId: receivers.laneId,
      replica,
      share,
      possessionProof,
      set: receivers,
      plan,
      transcriptHash: confirmation.transcriptHash,
      confirmations: [...confirmations].sort((left, right) => left.from - right.from),
    };
    ring.add(key);
    // Who holds a share for the first time needs the old public shares to tell who signed batches of the old epoch.
    if (plan.from !== null && handedOn !== null)
      ring.remember([{ keyEpoch: plan.from.keyEpoch, ...handedOn }]);
    progress.destroy();
    transcript.append(ceremonyIdOf(plan), "finished", {
      key: publicPartOf(key),
      possessionProof,
      confirmations: key.confirmations,
    });
    onReady(key);
  }

  /** A dealer that gets no share of the new key forgets its polynomial. */
  #leave(plan: Plan): void {
    const { progress, transcript } = this.#options;
    if (progress.load()?.plan !== undefined && ceremonyIdOf(this.#at(plan).plan) === ceremonyIdOf(plan)) {
      progress.destroy();
      transcript.append(ceremonyIdOf(plan), "finished", { key: null });
    }
  }

  #roles(plan: Plan): Roles {
    const { book, ring } = this.#options;
    const find = (membership: string): AggregatorSet => {
      const held = ring.keys.find(({ set }) => membershipHash(set) === membership)?.set;
      const set = book.find(membership) ?? held;
      if (set === undefined || set.laneId !== plan.laneId)
        throw new DkgError(
          `Replica ${this.#anyId()} does not know the set ${membership.slice(0, 12)}; its operator approves a set by NEXT_AGGREGATORS_FILE.`,
        );
      return set;
    };
    const receivers = find(plan.membership);
    return { plan, receivers, dealers: plan.from === null ? receivers : find(plan.from.membership) };
  }

  /** The chain may not use the key's epoch yet, unless this replica lacks the key of that very epoch. */
  #assertOpen({ keyEpoch }: Plan): void {
    const { ring } = this.#options;
    if (ring.ofEpoch(keyEpoch) !== null && !ring.isReplaceable(keyEpoch))
      throw new DkgError(`This replica already has a key share of epoch ${keyEpoch}.`);
    if (ring.lane !== null && keyEpoch < ring.lane.keyEpoch)
      throw new DkgError(`The lane is in key epoch ${ring.lane.keyEpoch} already.`);
  }

  #oldKey({ keyEpoch }: Plan, oldEpoch: number): KeyShare {
    const { ring } = this.#options;
    const key = ring.ofEpoch(oldEpoch);
    if (key === null)
      throw new DkgError(`This replica has no key share of epoch ${oldEpoch} to deal for epoch ${keyEpoch}.`);
    if (ring.lane !== null && keyHashOf(key) !== ring.lane.keyHash)
      throw new DkgError("The chain uses another key than the one to be handed on.");
    return key;
  }

  /** Progress of this very ceremony; null when it is to begin. An unfinished one gives way to a later attempt or epoch only. */
  #begun(plan: Plan): Progress | null {
    const { progress } = this.#options;
    const current = progress.load();
    if (current === null) return null;
    if (ceremonyIdOf(current.plan) === ceremonyIdOf(plan)) return current;
    const { keyEpoch, attempt } = current.plan;
    if (keyEpoch > plan.keyEpoch || (keyEpoch === plan.keyEpoch && attempt >= plan.attempt))
      throw new DkgError(`Attempt ${attempt} for epoch ${keyEpoch} is already under way.`);
    progress.destroy();
    return null;
  }

  #at(plan: Plan): Progress {
    const current = this.#options.progress.load();
    if (current === null || ceremonyIdOf(current.plan) !== ceremonyIdOf(plan))
      throw new DkgError(`Attempt ${plan.attempt} is not under way.`);
    return current;
  }

  #derived(plan: Plan): Derived {
    const { derived } = this.#at(plan);
    if (derived === undefined) throw new DkgError("No share was derived yet.");
    return derived;
  }

  #finished(plan: Plan): KeyShare | null {
    const key = this.#options.ring.ofEpoch(plan.keyEpoch);
    return key !== null && ceremonyIdOf(key.plan) === ceremonyIdOf(plan) ? key : null;
  }

  #idIn(set: AggregatorSet): number | null {
    const { nodePublicKey } = this.#options.nodeKey;
    return set.replicas.find((entry) => entry.nodePublicKey === nodePublicKey)?.id ?? null;
  }

  #anyId(): number {
    const { book, ring } = this.#options;
    for (const set of [...book.sets(), ...ring.keys.map((key) => key.set)]) {
      const id = this.#idIn(set);
      if (id !== null) return id;
    }
    throw new DkgError("This node is in no set.");
  }

  #receiver({ receivers }: Roles): number | null {
    return this.#idIn(receivers);
  }

  #receiverId(roles: Roles): number {
    const id = this.#receiver(roles);
    if (id === null) throw new DkgError("This node is not in the set that gets the key.");
    return id;
  }

  #dealerId(roles: Roles): number {
    const id = this.#idIn(roles.dealers);
    if (id === null || !dealerIds(roles).includes(id))
      throw new DkgError("This node does not deal in this ceremony.");
    return id;
  }

  #check(roles: Roles, round1: readonly Round1Message[]): CheckedDealings {
    const { transcript, ring } = this.#options;
    const { plan } = roles;
    const ceremonyId = ceremonyIdOf(plan);
    transcript.append(ceremonyId, "plan", plan);
    const old = plan.from === null ? null : ring.ofEpoch(plan.from.keyEpoch);
    const known =
      old === null
        ? null
        : { threshold: old.threshold, groupPublicKey: old.groupPublicKey, publicShares: old.publicShares };
    return this.#complaining(roles, () => {
      const checked = checkDealings(roles, round1, known);
      for (const message of checked.messages) transcript.append(ceremonyId, "received", { round1: message });
      return checked;
    });
  }

  #shareOf(
    dealer: number,
    roles: Roles,
    { pointsOf }: CheckedDealings,
    round2: readonly Round2Message[],
    { coefficients, round1 }: Progress,
  ): bigint {
    const { nodeKey, transcript } = this.#options;
    const ceremonyId = ceremonyIdOf(roles.plan);
    const replica = this.#receiverId(roles);
    if (round1?.from === dealer && coefficients !== undefined)
      return evaluate(
        coefficients.map((scalar) => BigInt(`0x${scalar}`)),
        replica,
      );
    const message = round2.find(({ from, to }) => from === dealer && to === replica);
    if (message === undefined) throw new DkgError(`The share of replica ${dealer} was not delivered here.`);
    assertMessage("round2", message, { set: roles.dealers, ceremonyId });
    transcript.append(ceremonyId, "received", { round2: message });
    return this.#complaining(roles, () => {
      const context = { ceremonyId, from: dealer, to: replica };
      const share = openedBy(dealer, () => openShare(message.sealedShare, nodeKey.encryption, context));
      checkShare(dealer, share, pointsOf.get(dealer) ?? [], replica);
      return share;
    });
  }

  /** Keeps a signed complaint about whoever broke the rules, then refuses the step. */
  #complaining<T>(roles: Roles, work: () => T): T {
    try {
      return work();
    } catch (error) {
      if (error instanceof DkgError && error.accused !== null) {
        const complaint = signMessage<Complaint>(
          "complaint",
          {
            ceremonyId: ceremonyIdOf(roles.plan),
            from: this.#anyId(),
            accused: error.accused,
            reason: error.message,
          },
          this.#options.nodeKey.signing,
        );
        this.#options.transcript.append(complaint.ceremonyId, "complaint", complaint);
        this.#options.onComplaint?.(complaint);
      }
      throw error;
    }
  }

  #checkConfirmations(
    { plan, receivers }: Roles,
    { groupPublicKey, publicShares, ...mine }: Derived | KeyShare,
    confirmations: readonly Confirmation[],
  ): void {
    const transcriptHash = "transcriptHash" in mine ? mine.transcriptHash : mine.confirmation.transcriptHash;
    if (
      confirmations.length !== receivers.replicas.length ||
      new Set(confirmations.map(({ from }) => from)).size !== receivers.replicas.length
    )
      throw new DkgError("A key counts only when every replica confirmed it.");
    for (const confirmation of confirmations) {
      assertMessage("confirmation", confirmation, { set: receivers, ceremonyId: ceremonyIdOf(plan) });
      const publicShare = publicShares.find(({ replica }) => replica === confirmation.from)?.publicShare;
      if (
        confirmation.transcriptHash !== transcriptHash ||
        confirmation.groupPublicKey !== groupPublicKey ||
        confirmation.publicShare !== publicShare
      )
        throw new DkgError(`Replica ${confirmation.from} derived another key from another transcript.`);
    }
  }

  #ownConfirmation({ replica, confirmations }: KeyShare): Confirmation {
    const own = confirmations.find(({ from }) => from === replica);
    if (own === undefined) throw new DkgError("The key file lacks this replica's confirmation.");
    return own;
  }
}

const openedBy = (dealer: number, open: () => Uint8Array): bigint => {
  try {
    return BigInt(`0x${Buffer.from(open()).toString("hex")}`);
  } catch (cause) {
    throw accuse(dealer, "the share it sealed does not open", cause);
  }
};
