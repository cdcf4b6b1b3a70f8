import type { DKG_Round1 } from "@noble/curves/abstract/frost.js";
import { ThresholdBls } from "@tac/protocol";
import type { Hex } from "viem";
import type { AggregatorSet } from "../keys/AggregatorSet.ts";
import type { KeyShare } from "../keys/KeyShare.ts";
import { DkgError } from "./DkgError.ts";
import {
  commit,
  evaluateCommitments,
  fits,
  type G2Point,
  multiplyScalars,
  parseCommitments,
  randomPolynomial,
  sumOfCommitments,
} from "./feldman.ts";
import { assertMessage, type HandedOn, type Round1Message } from "./messages.ts";
import { ceremonyIdOf, type Plan } from "./Plan.ts";
import { identifierOf, suite } from "./suite.ts";

/** Who deals and who gets a share. In a generation they are the same. */
export type Roles = { plan: Plan; receivers: AggregatorSet; dealers: AggregatorSet };

export const dealerIds = ({ plan, dealers }: Roles): number[] =>
  plan.from === null ? dealers.replicas.map(({ id }) => id) : plan.from.dealers;

/** A dealer's secret polynomial with what it publishes of it. */
export type Dealing = {
  coefficients: bigint[];
  published: Pick<Round1Message, "commitments" | "proofOfKnowledge" | "handedOn">;
};

/** Commits to a fresh secret (FROST, RFC 9591 appendix C; the proof stops a dealer from choosing its share last). */
export const dealNewSecret = ({ receivers }: Roles, dealer: number): Dealing => {
  const started = suite.DKG.round1(identifierOf(dealer), signersOf(receivers));
  const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
  return {
    coefficients: [...(started.secret.coefficients ?? [])],
    published: {
      commitments: started.public.commitment.map(hex),
      proofOfKnowledge: hex(started.public.proofOfKnowledge),
      handedOn: null,
    },
  };
};

/**
 * Deals the old share, weighted so that the dealers' constant terms add up to the group's secret, under a polynomial of the
 * new set's degree (Desmedt and Jajodia 1997).
 */
export const dealOldShare = (roles: Roles, dealer: number, old: KeyShare): Dealing => {
  const weight = ThresholdBls.coefficientAtZero(dealer, dealerIds(roles));
  const coefficients = randomPolynomial(
    multiplyScalars(BigInt(old.share), weight),
    roles.receivers.threshold,
  );
  const { threshold, groupPublicKey, publicShares } = old;
  return {
    coefficients,
    published: {
      commitments: commit(coefficients),
      proofOfKnowledge: null,
      handedOn: {
        threshold,
        groupPublicKey,
        publicShares: publicShares.map(({ replica, publicShare }) => ({ replica, publicShare })),
      },
    },
  };
};

export type CheckedDealings = { messages: Round1Message[]; pointsOf: Map<number, G2Point[]> };

/**
 * Checks what the dealers published: one message of each, signed, of the right degree, and either a proof that the dealer
 * knows its secret or the very share the old key says it has. Errors: DkgError that names the dealer at fault.
 * @param known the key handed on, when this replica knows it itself.
 */
export const checkDealings = (
  roles: Roles,
  messages: readonly Round1Message[],
  known: HandedOn | null,
): CheckedDealings => {
  const { plan, receivers, dealers } = roles;
  const ids = dealerIds(roles);
  const sorted = [...messages].sort((left, right) => left.from - right.from);
  if (sorted.length !== ids.length || sorted.some(({ from }, index) => from !== ids[index]))
    throw new DkgError("A ceremony goes on with exactly one commitment of every dealer.");
  for (const message of sorted)
    assertMessage("round1", message, { set: dealers, ceremonyId: ceremonyIdOf(plan) });
  const pointsOf = new Map(
    sorted.map(({ from, commitments }) => {
      if (commitments.length !== receivers.threshold)
        throw accuse(from, "its polynomial has not the degree of the threshold");
      return [from, blaming(from, () => parseCommitments(commitments))];
    }),
  );
  if (plan.from === null) checkKnowledge(roles, sorted);
  else checkHandedOn(roles, sorted, pointsOf, known);
  return { messages: sorted, pointsOf };
};

/** Checks one share against its dealer's commitments. Errors: DkgError that names the dealer. */
export const checkShare = (
  dealer: number,
  share: bigint,
  points: readonly G2Point[],
  receiver: number,
): void => {
  if (!fits(share, points, receiver))
    throw accuse(dealer, "the share it sealed does not fit what it committed to");
};

export type PublicResult = Pick<KeyShare, "groupPublicKey" | "publicShares">;

/** The group key and everybody's public share, which follow from the commitments alone. */
export const publicResultOf = ({ receivers }: Roles, { pointsOf }: CheckedDealings): PublicResult => {
  const sum = sumOfCommitments([...pointsOf.values()]);
  const [groupKey] = sum;
  if (groupKey === undefined || groupKey.is0()) throw new DkgError("The ceremony gave no group key.");
  return {
    groupPublicKey: ThresholdBls.encodeG2(groupKey),
    publicShares: receivers.replicas.map(({ id }) => ({
      replica: id,
      publicShare: ThresholdBls.encodeG2(evaluateCommitments(sum, id)),
    })),
  };
};

export const accuse = (dealer: number, reason: string, cause?: unknown): DkgError =>
  new DkgError(`Replica ${dealer} broke the rules of the ceremony: ${reason}.`, { accused: dealer, cause });

const blaming = <T>(dealer: number, work: () => T): T => {
  try {
    return work();
  } catch (cause) {
    throw accuse(dealer, cause instanceof Error ? cause.message : String(cause), cause);
  }
};

const signersOf = ({ threshold, replicas }: AggregatorSet) => ({ min: threshold, max: replicas.length });

const bytesOf = (hex: string): Uint8Array<ArrayBuffer> => Uint8Array.from(Buffer.from(hex, "hex"));

/** The library checks the proofs of a whole round together; who is at fault is found by putting sound ones in for the others. */
const checkKnowledge = ({ receivers }: Roles, messages: readonly Round1Message[]): void => {
  const deal = (id: number) => suite.DKG.round1(identifierOf(id), signersOf(receivers));
  const packageOf = ({ from, commitments, proofOfKnowledge }: Round1Message): DKG_Round1 => ({
    identifier: identifierOf(from),
    commitment: commitments.map(bytesOf),
    proofOfKnowledge: bytesOf(proofOfKnowledge ?? ""),
  });
  const isProven = (suspect: Round1Message): boolean => {
    const observer = suspect.from === 1 ? 2 : 1;
    const others = messages.filter(({ from }) => from !== observer);
    try {
      suite.DKG.round2(
        deal(observer).secret,
        others.map((one) => (one === suspect ? packageOf(one) : deal(one.from).public)),
      );
      return true;
    } catch {
      // The library says only that something is wrong, and here that can be the suspect's package alone.
      return false;
    }
  };
  const [first, ...rest] = messages;
  if (first === undefined) return;
  try {
    suite.DKG.round2(deal(first.from).secret, rest.map(packageOf));
    if (isProven(first)) return;
  } catch (cause) {
    const liar = messages.find((message) => !isProven(message));
    throw liar === undefined
      ? new DkgError("The proofs of knowledge do not verify.", { cause })
      : accuse(liar.from, "it did not prove that it knows its secret", cause);
  }
  throw accuse(first.from, "it did not prove that it knows its secret");
};

const checkHandedOn = (
  roles: Roles,
  messages: readonly Round1Message[],
  pointsOf: CheckedDealings["pointsOf"],
  known: HandedOn | null,
): void => {
  const ids = dealerIds(roles);
  const [first] = messages;
  const agreed = known ?? first?.handedOn ?? null;
  if (agreed === null) throw accuse(first?.from ?? 0, "it does not say which key it hands on");
  const name = nameOf(agreed);
  for (const { from, handedOn } of messages)
    if (handedOn === null || nameOf(handedOn) !== name)
      throw accuse(
        from,
        known === null ? `it hands on another key than replica ${first?.from}` : "it hands on another key",
      );
  const { threshold, groupPublicKey, publicShares } = agreed;
  if (threshold !== ids.length || threshold !== roles.dealers.threshold)
    throw new DkgError(`A key of threshold ${threshold} is handed on by ${threshold} dealers.`);
  const shares = ids.map((index) => {
    const found = publicShares.find(({ replica }) => replica === index);
    if (found === undefined) throw accuse(index, "it has no share of the key");
    return { index, publicKey: found.publicShare };
  });
  if (ThresholdBls.combinePublicKeys(shares) !== groupPublicKey)
    throw new DkgError("The public shares of the old key do not add up to it.");
  for (const { index, publicKey } of shares) {
    const [constant] = pointsOf.get(index) ?? [];
    const weight = ThresholdBls.coefficientAtZero(index, ids);
    if (constant === undefined || !constant.equals(ThresholdBls.decodeG2(publicKey).multiplyUnsafe(weight)))
      throw accuse(index, "it deals another secret than its share");
  }
};

const nameOf = ({ threshold, groupPublicKey, publicShares }: HandedOn): string =>
  JSON.stringify([
    threshold,
    groupPublicKey,
    publicShares.map(({ replica, publicShare }): [number, Hex] => [replica, publicShare]),
  ]);
