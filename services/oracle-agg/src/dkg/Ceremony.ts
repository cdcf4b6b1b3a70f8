import { existsSync, readFileSync } from "node:fs";
import type { DKG_Round1, DKG_Secret } from "@noble/curves/abstract/frost.js";
import { bls12_381 } from "@noble/curves/bls12-381.js";
import { ThresholdBls } from "@tac/protocol";
import type { Hex } from "viem";
import { type AggregatorSet, membershipHash, replicaOf } from "../keys/AggregatorSet.ts";
import {
  destroySecretFile,
  type KeyShare,
  readKeyShare,
  writeKeyShare,
  writeSecretFile,
} from "../keys/KeyShare.ts";
import type { NodeKey } from "../keys/NodeKey.ts";
import {
  assertMessage,
  type Confirmation,
  ceremonyIdOf,
  type DkgStatus,
  type PartialPossession,
  type Round1Message,
  type Round2Message,
  signMessage,
} from "./messages.ts";
import { openShare, sealShare } from "./sealedShare.ts";
import { identifierOf, replicaOfIdentifier, suite } from "./suite.ts";
import { bytesOf, DkgError, shareOf, transcriptDigest } from "./transcript.ts";

/** What survives a restart in the middle of a ceremony; destroyed when the key is complete. */
type Progress = {
  attempt: number;
  coefficients: string[];
  round1: Round1Message;
  /** Set by round 2: the only set of commitments this attempt will go on with. */
  round1Hash?: string;
  derived?: {
    share: Hex;
    publicShares: KeyShare["publicShares"];
    round1: Round1Message[];
    confirmation: Confirmation;
  };
};

export type CeremonyOptions = {
  set: AggregatorSet;
  replica: number;
  nodeKey: NodeKey;
  keyFile: string;
  onReady: (key: KeyShare) => void;
};

/**
 * One replica's side of a dealerless key generation. Whoever relays the messages learns no secret and cannot alter one:
 * messages are signed by node keys, shares are encrypted to their recipient, and no key is used before all replicas
 * confirmed the same transcript. Every step may be repeated and then gives the same answer.
 */
export class Ceremony {
  readonly #options: CeremonyOptions;
  readonly #progressFile: string;

  constructor(options: CeremonyOptions) {
    this.#options = options;
    this.#progressFile = `${options.keyFile}.ceremony`;
  }

  /** How far this replica is. */
  status(): DkgStatus {
    const replica = this.#options.replica;
    const key = readKeyShare(this.#options.keyFile);
    if (key !== null) return { replica, attempt: key.attempt, stage: "ready" };
    const progress = this.#load();
    if (progress === null) return { replica, attempt: 0, stage: "none" };
    return { replica, attempt: progress.attempt, stage: progress.derived ? "confirmed" : "round1" };
  }

  /** Commits to a fresh secret polynomial. A higher attempt forgets an unfinished lower one. */
  round1(attempt: number): Round1Message {
    this.#assertNoKey();
    const current = this.#load();
    if (current !== null && current.attempt >= attempt) {
      if (current.attempt > attempt) throw new DkgError(`Attempt ${current.attempt} is already under way.`);
      return current.round1;
    }
    const { set, replica, nodeKey } = this.#options;
    const started = suite.DKG.round1(identifierOf(replica), this.#signers());
    const round1 = signMessage<Round1Message>(
      "round1",
      {
        ceremonyId: this.#ceremonyId(attempt),
        from: replica,
        commitments: started.public.commitment.map((point) => Buffer.from(point).toString("hex")),
        proofOfKnowledge: Buffer.from(started.public.proofOfKnowledge).toString("hex"),
      },
      nodeKey.signing,
    );
    const coefficients = (started.secret.coefficients ?? []).map((scalar) => scalar.toString(16));
    if (coefficients.length !== set.threshold) throw new DkgError("The polynomial has the wrong degree.");
    this.#save({ attempt, coefficients, round1 });
    return round1;
  }

  /** Checks everyone's commitments and answers with one sealed share for each other replica. */
  round2(attempt: number, round1: readonly Round1Message[]): Round2Message[] {
    this.#assertNoKey();
    const progress = this.#at(attempt);
    const all = this.#checkRound1(progress, round1);
    const round1Hash = transcriptDigest(all);
    if (progress.round1Hash !== undefined && progress.round1Hash !== round1Hash)
      throw new DkgError("Other commitments than before: this needs a new attempt.");
    const shares = suite.DKG.round2(this.#secret(progress), this.#others(all));
    this.#save({ ...progress, round1Hash });
    const { set, replica, nodeKey } = this.#options;
    const ceremonyId = this.#ceremonyId(attempt);
    return Object.entries(shares).map(([identifier, { signingShare }]) => {
      const to = replicaOfIdentifier(identifier);
      const context = { ceremonyId, from: replica, to };
      const sealedShare = sealShare(signingShare, replicaOf(set, to).encryptionPublicKey, context);
      return signMessage<Round2Message>("round2", { ...context, sealedShare }, nodeKey.signing);
    });
  }

  /** Opens the shares meant for this replica, checks them against the commitments and derives its share of the key. */
  round3(attempt: number, round1: readonly Round1Message[], round2: readonly Round2Message[]): Confirmation {
    const finished = readKeyShare(this.#options.keyFile);
    if (finished !== null) return this.#ownConfirmation(finished.confirmations);
    const progress = this.#at(attempt);
    if (progress.derived) return progress.derived.confirmation;
    const { set, replica, nodeKey } = this.#options;
    const ceremonyId = this.#ceremonyId(attempt);
    const all = this.#checkRound1(progress, round1);
    if (progress.round1Hash !== transcriptDigest(all)) throw new DkgError("Round 2 saw other commitments.");
    const secret = this.#secret(progress);
    const others = this.#others(all);
    suite.DKG.round2(secret, others);
    const shares = round2.map((message) => {
      assertMessage("round2", message, { set, ceremonyId });
      if (message.to !== replica) throw new DkgError("A share for another replica was delivered here.");
      const context = { ceremonyId, from: message.from, to: message.to };
      return {
        identifier: identifierOf(message.from),
        signingShare: openShare(message.sealedShare, nodeKey.encryption, context),
      };
    });
    const key = suite.DKG.round3(secret, others, shares);
    const encode = (point: Uint8Array): Hex => ThresholdBls.encodeG2(bls12_381.G2.Point.fromBytes(point));
    const [groupKey] = key.public.commitments;
    if (groupKey === undefined) throw new DkgError("The ceremony gave no group key.");
    const publicShares = set.replicas.map(({ id }) => {
      const point = key.public.verifyingShares[identifierOf(id)];
      if (point === undefined) throw new DkgError(`The ceremony gave no share for replica ${id}.`);
      return { replica: id, publicShare: encode(point) };
    });
    const confirmation = signMessage<Confirmation>(
      "confirmation",
      {
        ceremonyId,
        from: replica,
        transcriptHash: `0x${transcriptDigest(all)}`,
        groupPublicKey: encode(groupKey),
        publicShare: shareOf(publicShares, replica),
      },
      nodeKey.signing,
    );
    const share: Hex = `0x${Buffer.from(key.secret.signingShare).toString("hex")}`;
    this.#save({ ...progress, derived: { share, publicShares, round1: all, confirmation } });
    return confirmation;
  }

  /** Signs the possession proof in part, once every replica confirmed the same key. */
  possession(attempt: number, confirmations: readonly Confirmation[]): PartialPossession {
    const key = readKeyShare(this.#options.keyFile);
    const derived = key === null ? this.#derived(attempt) : null;
    this.#checkConfirmations(attempt, confirmations);
    const share = key?.share ?? derived?.share;
    const groupPublicKey = key?.groupPublicKey ?? derived?.confirmation.groupPublicKey;
    if (share === undefined || groupPublicKey === undefined) throw new DkgError("No share was derived yet.");
    const message = ThresholdBls.possessionMessage(groupPublicKey);
    return {
      from: this.#options.replica,
      signature: ThresholdBls.partialSign(message, share, ThresholdBls.POSSESSION_DST),
    };
  }

  /** Checks the combined possession proof, stores the key, destroys the ceremony's secrets. */
  finish(attempt: number, confirmations: readonly Confirmation[], possessionProof: Hex): KeyShare {
    const existing = readKeyShare(this.#options.keyFile);
    if (existing !== null) return existing;
    const { share, publicShares, round1, confirmation } = this.#derived(attempt);
    this.#checkConfirmations(attempt, confirmations);
    const message = ThresholdBls.possessionMessage(confirmation.groupPublicKey);
    if (
      !ThresholdBls.verify(message, possessionProof, confirmation.groupPublicKey, ThresholdBls.POSSESSION_DST)
    )
      throw new DkgError("The possession proof does not verify under the group key.");
    const key: KeyShare = {
      version: 1,
      laneId: this.#options.set.laneId,
      attempt,
      replica: this.#options.replica,
      threshold: this.#options.set.threshold,
      share,
      groupPublicKey: confirmation.groupPublicKey,
      possessionProof,
      publicShares,
      transcriptHash: confirmation.transcriptHash,
      transcript: { round1 },
      confirmations: [...confirmations].sort((left, right) => left.from - right.from),
    };
    writeKeyShare(this.#options.keyFile, key);
    destroySecretFile(this.#progressFile);
    this.#options.onReady(key);
    return key;
  }

  #signers() {
    const { set } = this.#options;
    return { min: set.threshold, max: set.replicas.length };
  }

  #ceremonyId(attempt: number): string {
    return ceremonyIdOf(membershipHash(this.#options.set), attempt);
  }

  #assertNoKey(): void {
    if (existsSync(this.#options.keyFile)) throw new DkgError("This replica already has a key share.");
  }

  #load(): Progress | null {
    if (!existsSync(this.#progressFile)) return null;
    return JSON.parse(readFileSync(this.#progressFile, "utf8"));
  }

  #save(progress: Progress): void {
    writeSecretFile(this.#progressFile, JSON.stringify(progress));
  }

  #at(attempt: number): Progress {
    const progress = this.#load();
    if (progress === null || progress.attempt !== attempt)
      throw new DkgError(`Attempt ${attempt} is not under way.`);
    return progress;
  }

  #derived(attempt: number): NonNullable<Progress["derived"]> {
    const { derived } = this.#at(attempt);
    if (derived === undefined) throw new DkgError("No share was derived yet.");
    return derived;
  }

  #secret(progress: Progress): DKG_Secret {
    return {
      identifier: BigInt(this.#options.replica),
      coefficients: progress.coefficients.map((scalar) => BigInt(`0x${scalar}`)),
      commitment: progress.round1.commitments.map((point) => bytesOf(point)),
      signers: this.#signers(),
      step: 1,
    };
  }

  #others(all: readonly Round1Message[]): DKG_Round1[] {
    return all
      .filter(({ from }) => from !== this.#options.replica)
      .map(({ from, commitments, proofOfKnowledge }) => ({
        identifier: identifierOf(from),
        commitment: commitments.map((point) => bytesOf(point)),
        proofOfKnowledge: bytesOf(proofOfKnowledge),
      }));
  }

  #checkRound1(progress: Progress, messages: readonly Round1Message[]): Round1Message[] {
    const { set, replica } = this.#options;
    const ceremonyId = this.#ceremonyId(progress.attempt);
    const sorted = [...messages].sort((left, right) => left.from - right.from);
    if (sorted.length !== set.replicas.length || sorted.some(({ from }, index) => from !== index + 1))
      throw new DkgError("Round 2 needs exactly one commitment of every replica.");
    for (const message of sorted) assertMessage("round1", message, { set, ceremonyId });
    if (sorted[replica - 1]?.signature !== progress.round1.signature)
      throw new DkgError("The commitment said to be ours is not.");
    return sorted;
  }

  #checkConfirmations(attempt: number, confirmations: readonly Confirmation[]): void {
    const { set, keyFile } = this.#options;
    const finished = readKeyShare(keyFile);
    const own = finished
      ? this.#ownConfirmation(finished.confirmations)
      : this.#derived(attempt).confirmation;
    const publicShares = finished?.publicShares ?? this.#derived(attempt).publicShares;
    if (new Set(confirmations.map(({ from }) => from)).size !== set.replicas.length)
      throw new DkgError("A key counts only when every replica confirmed it.");
    for (const confirmation of confirmations) {
      assertMessage("confirmation", confirmation, { set, ceremonyId: own.ceremonyId });
      if (
        confirmation.transcriptHash !== own.transcriptHash ||
        confirmation.groupPublicKey !== own.groupPublicKey ||
        confirmation.publicShare !== shareOf(publicShares, confirmation.from)
      )
        throw new DkgError(`Replica ${confirmation.from} derived another key from another transcript.`);
    }
  }

  #ownConfirmation(confirmations: readonly Confirmation[]): Confirmation {
    const own = confirmations.find(({ from }) => from === this.#options.replica);
    if (own === undefined) throw new DkgError("The key file lacks this replica's confirmation.");
    return own;
  }
}
