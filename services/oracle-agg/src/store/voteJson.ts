import { Wire } from "@tac/protocol";
import { z } from "zod";
import { certifiedSchema, signedSchema, type Vote } from "../protocol/Certificate.ts";
import { certifiedToJson, signedToJson } from "../protocol/Message.ts";
import type { VoteRecord } from "../protocol/State.ts";

export { draftToJson } from "../protocol/Message.ts";

const positionSchema = z.strictObject({
  laneId: Wire.uint32,
  nextBatchNumber: Wire.uint64,
  lastWindowEnd: Wire.uint64,
  keyEpoch: Wire.uint32,
  lastBatchHash: Wire.bytes32,
});

/** What a replica must not forget about a position, as its store keeps it. */
export const voteRecordSchema: z.ZodType<VoteRecord> = z.strictObject({
  position: positionSchema,
  view: z
    .string()
    .regex(/^(-1|[0-9]{1,19})$/)
    .transform(BigInt),
  prepared: Wire.bytes32.nullable(),
  locked: certifiedSchema.nullable(),
  committed: certifiedSchema.nullable(),
  signed: signedSchema.nullable(),
});

export const voteRecordToJson = ({ position, view, prepared, locked, committed, signed }: VoteRecord) => ({
  position: {
    ...position,
    nextBatchNumber: position.nextBatchNumber.toString(),
    lastWindowEnd: position.lastWindowEnd.toString(),
  },
  view: view.toString(),
  prepared,
  locked: locked === null ? null : certifiedToJson(locked),
  committed: committed === null ? null : certifiedToJson(committed),
  signed: signed === null ? null : signedToJson(signed),
});

export const voteToJson = (vote: Vote) => ({ ...vote, view: vote.view.toString() });
