import { createHash, type KeyObject, sign, verify } from "node:crypto";
import type { Hex } from "viem";
import { z } from "zod";
import { type AggregatorSet, publicKeyOf, replicaOf } from "../keys/AggregatorSet.ts";
import { DkgError } from "./DkgError.ts";
import { planSchema } from "./Plan.ts";

const hexBytes = (bytes: number) => z.string().regex(new RegExp(`^[0-9a-f]{${bytes * 2}}$`));
const prefixedHex = (bytes: number) =>
  z.custom<`0x${string}`>(
    (value) => typeof value === "string" && new RegExp(`^0x[0-9a-f]{${bytes * 2}}$`).test(value),
    `expected 0x and ${bytes} bytes of lowercase hex`,
  );
const replicaId = z.number().int().min(1).max(255);
const signature = z.string().regex(/^[A-Za-z0-9_-]{86}$/);
const ceremonyId = hexBytes(32);

/** The public part of the key that a resharing hands on, as its dealers know it. */
export const handedOnSchema = z.strictObject({
  threshold: z.number().int().min(2).max(255),
  groupPublicKey: prefixedHex(256),
  publicShares: z.array(z.strictObject({ replica: replicaId, publicShare: prefixedHex(256) })).max(255),
});
export type HandedOn = z.infer<typeof handedOnSchema>;

/**
 * Round 1: commitments to the dealer's polynomial (compressed G2). A new key needs a proof that the dealer knows its secret;
 * in a resharing the first commitment must be that of the dealer's old share instead.
 */
export const round1Schema = z.strictObject({
  ceremonyId,
  from: replicaId,
  commitments: z.array(hexBytes(96)).min(2).max(255),
  proofOfKnowledge: hexBytes(128).nullable(),
  handedOn: handedOnSchema.nullable(),
  signature,
});
export type Round1Message = z.infer<typeof round1Schema>;

/** Round 2: one share, readable by its recipient only. */
export const round2Schema = z.strictObject({
  ceremonyId,
  from: replicaId,
  to: replicaId,
  sealedShare: z.string().max(400),
  signature,
});
export type Round2Message = z.infer<typeof round2Schema>;

/** What a replica derived. A key counts only when all replicas confirm the same transcript. */
export const confirmationSchema = z.strictObject({
  ceremonyId,
  from: replicaId,
  transcriptHash: prefixedHex(32),
  groupPublicKey: prefixedHex(256),
  publicShare: prefixedHex(256),
  signature,
});
export type Confirmation = z.infer<typeof confirmationSchema>;

/** G1, 128 bytes: the group's signature on its own public key. */
export const possessionProofSchema = prefixedHex(128);

export const partialPossessionSchema = z.strictObject({ from: replicaId, signature: possessionProofSchema });
export type PartialPossession = z.infer<typeof partialPossessionSchema>;

/** A dealer is said to have broken the rules; signed, and kept in the accuser's transcript. */
export type Complaint = {
  ceremonyId: string;
  from: number;
  accused: number;
  reason: string;
  signature: string;
};

export const dkgStatusSchema = z.strictObject({
  replica: replicaId,
  /** The keys this node has a share of. */
  keys: z.array(z.strictObject({ keyEpoch: z.number().int(), membership: hexBytes(32), plan: planSchema })),
  /** The epoch of the lane's key on chain, as this node last read it. */
  laneEpoch: z.number().int().nullable(),
  /** The unfinished ceremony. */
  progress: z.strictObject({ plan: planSchema, stage: z.enum(["dealt", "shared", "confirmed"]) }).nullable(),
});
export type DkgStatus = z.infer<typeof dkgStatusSchema>;

type Unsigned<T> = Omit<T, "signature">;
type Kind = "round1" | "round2" | "confirmation" | "complaint";

// An array in a fixed order leaves no choice of key order, white space or number form.
const signingBytes = (kind: Kind, message: object): Buffer => {
  const fields = Object.entries(message)
    .filter(([name]) => name !== "signature")
    .sort(([left], [right]) => (left < right ? -1 : 1));
  return Buffer.from(JSON.stringify(["tac-dkg", kind, fields]));
};

/** Signs a ceremony message with the node key, so that whoever relays it cannot alter it. */
export const signMessage = <T extends { signature: string }>(
  kind: Kind,
  message: Unsigned<T>,
  nodeKey: KeyObject,
): Unsigned<T> & { signature: string } => ({
  ...message,
  signature: sign(null, signingBytes(kind, message), nodeKey).toString("base64url"),
});

/** Throws unless the message is of this ceremony and signed by the replica it names. */
export const assertMessage = (
  kind: Kind,
  message: { ceremonyId: string; from: number; signature: string },
  expected: { set: AggregatorSet; ceremonyId: string },
): void => {
  if (message.ceremonyId !== expected.ceremonyId)
    throw new DkgError(`Replica ${message.from} speaks of another ceremony.`);
  const key = publicKeyOf("Ed25519", replicaOf(expected.set, message.from).nodePublicKey);
  if (!verify(null, signingBytes(kind, message), key, Buffer.from(message.signature, "base64url")))
    throw new DkgError(`The ${kind} message of replica ${message.from} is not signed by it.`);
};

/** SHA-256 of all signed commitments in the order of dealers: what everybody must have seen alike. */
export const transcriptHashOf = (all: readonly Round1Message[]): Hex =>
  `0x${createHash("sha256")
    .update(
      JSON.stringify(
        all.map(({ ceremonyId, from, commitments, proofOfKnowledge, handedOn, signature }) => [
          ceremonyId,
          from,
          commitments,
          proofOfKnowledge,
          handedOn === null
            ? null
            : [
                handedOn.threshold,
                handedOn.groupPublicKey,
                handedOn.publicShares.map(({ replica, publicShare }) => [replica, publicShare]),
              ],
          signature,
        ]),
      ),
    )
    .digest("hex")}`;
