import { BatchHeader, Sources, Wire } from "@tac/protocol";
import type { Hex } from "viem";
import { z } from "zod";

/** Prepare: "I recomputed this batch, or t replicas did." Commit: "I saw t prepare votes of this view." */
export type VoteKind = "prepare" | "commit";

/** What a replica signs with its node key. The batch hash covers chain, contract, lane, epoch and number. */
export const voteText = (kind: VoteKind, view: bigint, batchHash: Hex): string =>
  `tac-aggregator-${kind}\n${view}\n${batchHash}`;

/** A batch as it is proposed: its header, and what to rebuild it from. */
export const draftSchema = z.strictObject({ header: BatchHeader.schema, sources: Sources.schema });
export type Draft = z.infer<typeof draftSchema>;

const stored = Wire.uint64.refine((value) => value < 2n ** 63n, "out of range");
const replicaId = z.int().min(1).max(255);

/** One replica's vote in one view. Two of the same replica, kind and view for different batches prove its guilt. */
export const voteSchema = z.strictObject({
  replica: replicaId,
  kind: z.enum(["prepare", "commit"]),
  view: stored,
  batchHash: Wire.bytes32,
  signature: z.string().max(128),
});
export type Vote = z.infer<typeof voteSchema>;

/** The votes of t replicas for one batch in one view. */
export const certificateSchema = z.strictObject({
  kind: z.enum(["prepare", "commit"]),
  view: stored,
  batchHash: Wire.bytes32,
  votes: z.array(z.strictObject({ replica: replicaId, signature: z.string().max(128) })).max(255),
});
export type Certificate = z.infer<typeof certificateSchema>;

/** A certificate together with the batch it is about. */
export const certifiedSchema = z.strictObject({ certificate: certificateSchema, draft: draftSchema });
export type Certified = z.infer<typeof certifiedSchema>;

/** A batch under the group's signature; nothing else is needed to submit it but its lines. */
export const signedSchema = z.strictObject({
  draft: draftSchema,
  batchHash: Wire.bytes32,
  signature: Wire.hex(128),
  partials: z.array(z.strictObject({ replica: replicaId, signature: Wire.hex(128) })).max(255),
});
export type Signed = z.infer<typeof signedSchema>;

export const certificateOf = (votes: readonly Vote[]): Certificate | null => {
  const [first] = votes;
  if (first === undefined) return null;
  const { kind, view, batchHash } = first;
  return { kind, view, batchHash, votes: votes.map(({ replica, signature }) => ({ replica, signature })) };
};
