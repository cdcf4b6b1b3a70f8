import { BatchHeader, Sources, Wire } from "@tac/protocol";
import { z } from "zod";
import {
  type Certified,
  certificateSchema,
  certifiedSchema,
  type Draft,
  draftSchema,
  type Signed,
  signedSchema,
  voteSchema,
} from "./Certificate.ts";

const view = Wire.uint64.refine((value) => value < 2n ** 63n, "out of range");
const position = z.string().max(160);

/**
 * What replicas send to each other; every one may be lost, repeated or late. A leader asks (`query`), proposes, shows
 * t prepare votes (`lock`), then t commit votes (`decide`), and gathers partial signatures; `signed` ends a position.
 */
export const messageSchema = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("query"), position, view }),
  z.strictObject({
    kind: z.literal("status"),
    position,
    view,
    locked: certifiedSchema.nullable(),
    committed: certifiedSchema.nullable(),
    signed: signedSchema.nullable(),
    seen: voteSchema.nullable(),
  }),
  z.strictObject({
    kind: z.literal("propose"),
    position,
    draft: draftSchema,
    vote: voteSchema,
    justification: certificateSchema.nullable(),
  }),
  z.strictObject({ kind: z.literal("vote"), position, vote: voteSchema }),
  z.strictObject({
    kind: z.literal("refuse"),
    position,
    view,
    batchHash: Wire.bytes32,
    reasons: z.array(z.string().max(500)).max(50),
    locked: certifiedSchema.nullable(),
    seen: voteSchema.nullable(),
  }),
  z.strictObject({ kind: z.literal("lock"), position, certified: certifiedSchema }),
  z.strictObject({ kind: z.literal("decide"), position, certified: certifiedSchema }),
  z.strictObject({
    kind: z.literal("partial"),
    position,
    batchHash: Wire.bytes32,
    signature: Wire.hex(128),
  }),
  z.strictObject({ kind: z.literal("signed"), position, signed: signedSchema }),
]);

export type Message = z.infer<typeof messageSchema>;

export const draftToJson = ({ header, sources }: Draft) => ({
  header: BatchHeader.toJson(header),
  sources: Sources.toJson(sources),
});

const withView = <T extends { view: bigint }>(value: T) => ({ ...value, view: value.view.toString() });

export const certifiedToJson = ({ certificate, draft }: Certified) => ({
  certificate: withView(certificate),
  draft: draftToJson(draft),
});

export const signedToJson = ({ draft, ...rest }: Signed) => ({ ...rest, draft: draftToJson(draft) });

const orNull = <T, U>(value: T | null, convert: (value: T) => U): U | null =>
  value === null ? null : convert(value);

/** The message as JSON; `messageSchema` reads it back. */
export const messageToJson = (message: Message) => {
  switch (message.kind) {
    case "query":
      return withView(message);
    case "status":
      return {
        ...withView(message),
        locked: orNull(message.locked, certifiedToJson),
        committed: orNull(message.committed, certifiedToJson),
        signed: orNull(message.signed, signedToJson),
        seen: orNull(message.seen, withView),
      };
    case "propose":
      return {
        ...message,
        draft: draftToJson(message.draft),
        vote: withView(message.vote),
        justification: orNull(message.justification, withView),
      };
    case "vote":
      return { ...message, vote: withView(message.vote) };
    case "refuse":
      return {
        ...withView(message),
        locked: orNull(message.locked, certifiedToJson),
        seen: orNull(message.seen, withView),
      };
    case "lock":
    case "decide":
      return { ...message, certified: certifiedToJson(message.certified) };
    case "signed":
      return { ...message, signed: signedToJson(message.signed) };
    case "partial":
      return message;
  }
};
