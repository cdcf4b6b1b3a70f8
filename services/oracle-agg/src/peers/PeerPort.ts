import { BatchHeader, Sources, Wire } from "@tac/protocol";

import { z } from "zod";
import { type BatchBody, batchBodySchema, partialSchema } from "../store/content.ts";
import { type PeerIdentity, signedCall } from "./signedCall.ts";

/** What the store holds in a bigint column; no chain and no clock counts further. */
const MAX_STORED = 2n ** 63n - 1n;
const stored = Wire.uint64.refine((value) => value <= MAX_STORED, "out of range");

/** Parameters of the routes about one batch. */
export const batchParams = z.object({ batchNumber: stored });

export const proposalSchema = z.strictObject({
  header: BatchHeader.schema.refine(({ batchNumber }) => batchNumber <= MAX_STORED, "out of range"),
  sources: Sources.schema,
  view: stored,
});
export type Proposal = z.infer<typeof proposalSchema>;

export const proposalToJson = ({ header, sources, view }: Proposal) => ({
  header: BatchHeader.toJson(header),
  sources: Sources.toJson(sources),
  view: view.toString(),
});

export const partialAnswerSchema = z.strictObject({
  replica: z.int().min(1).max(255),
  partialSignature: Wire.hex(128),
});
export type PartialAnswer = z.infer<typeof partialAnswerSchema>;

/** A batch the group signed; whoever learns of it may submit it. */
export const signedBatchSchema = z.strictObject({
  batchNumber: stored,
  batchHash: Wire.bytes32,
  signature: Wire.hex(128),
  partials: z.array(partialSchema).max(255),
  transactionHash: Wire.bytes32.nullable(),
});
export type SignedBatch = z.infer<typeof signedBatchSchema>;

/** Another replica of the set. Every call has a deadline; a refusal is a PeerRefused with its reasons. */
export type PeerPort = {
  id: number;
  propose(proposal: Proposal, timeoutMs: number): Promise<PartialAnswer>;
  /** Proposals the peer signed for a batch that is not committed, newest view first. */
  proposals(batchNumber: bigint): Promise<Proposal[]>;
  announce(batch: SignedBatch): Promise<void>;
  batch(batchNumber: bigint): Promise<BatchBody>;
};

const SHORT_TIMEOUT_MS = 1_500;
const BODY_TIMEOUT_MS = 15_000;

export const createPeerPort = (
  id: number,
  baseUrl: string,
  laneId: number,
  identity: PeerIdentity,
): PeerPort => ({
  id,
  propose: (proposal, timeoutMs) =>
    signedCall(identity, {
      baseUrl,
      method: "POST",
      path: "/v1/peer/proposals",
      body: proposalToJson(proposal),
      schema: partialAnswerSchema,
      timeoutMs,
    }),
  proposals: (batchNumber) =>
    signedCall(identity, {
      baseUrl,
      method: "GET",
      path: `/v1/peer/proposals/${batchNumber}`,
      schema: z.array(proposalSchema).max(1_000),
      timeoutMs: SHORT_TIMEOUT_MS,
    }),
  announce: async ({ batchNumber, ...batch }) => {
    await signedCall(identity, {
      baseUrl,
      method: "POST",
      path: "/v1/peer/signatures",
      body: { ...batch, batchNumber: batchNumber.toString() },
      schema: z.object({ known: z.boolean() }),
      timeoutMs: SHORT_TIMEOUT_MS,
    });
  },
  batch: (batchNumber) =>
    signedCall(identity, {
      baseUrl,
      method: "GET",
      path: `/v1/batches/${batchNumber}?lane=${laneId}`,
      schema: batchBodySchema,
      timeoutMs: BODY_TIMEOUT_MS,
    }),
});
