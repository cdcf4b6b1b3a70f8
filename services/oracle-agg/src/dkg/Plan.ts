import { createHash } from "node:crypto";
import { z } from "zod";

const membership = z.string().regex(/^[0-9a-f]{64}$/);
const replicaId = z.number().int().min(1).max(255);
const epoch = z.number().int().min(1).max(0xffff_ffff);

/**
 * What a ceremony is to give: a key for one epoch of a lane, to the set with this membership hash. `generate` makes a new
 * group key; `reshare` hands the group key of an earlier epoch on, dealt by exactly as many of its holders as its threshold.
 */
export const planSchema = z
  .strictObject({
    kind: z.enum(["generate", "reshare"]),
    laneId: z.number().int().min(0).max(0xffff_ffff),
    keyEpoch: epoch,
    attempt: z.number().int().min(1).max(1_000_000),
    membership,
    from: z
      .strictObject({ keyEpoch: epoch, membership, dealers: z.array(replicaId).min(2).max(255) })
      .nullable(),
  })
  .refine(
    ({ kind, from }) => (kind === "reshare") === (from !== null),
    "only a resharing has dealers of its own",
  )
  .refine(
    ({ keyEpoch, from }) => from === null || from.keyEpoch < keyEpoch,
    "a key is handed on to a later epoch",
  )
  .refine(
    ({ from }) =>
      from === null || from.dealers.every((id, index) => index === 0 || id > (from.dealers[index - 1] ?? 0)),
    "dealers ascend",
  );

export type Plan = z.infer<typeof planSchema>;

/** Names the ceremony by all that the plan says, so that no message of one fits another. */
export const ceremonyIdOf = ({ kind, laneId, keyEpoch, attempt, membership, from }: Plan): string =>
  createHash("sha256")
    .update(
      JSON.stringify([
        "tac-ceremony",
        kind,
        laneId,
        keyEpoch,
        attempt,
        membership,
        from === null ? null : [from.keyEpoch, from.membership, from.dealers],
      ]),
    )
    .digest("hex");

/** Whether two plans want the same, whatever the attempt and whoever deals. */
export const isSameGoal = (left: Plan, right: Omit<Plan, "attempt">): boolean =>
  left.kind === right.kind &&
  left.laneId === right.laneId &&
  left.keyEpoch === right.keyEpoch &&
  left.membership === right.membership &&
  left.from?.keyEpoch === right.from?.keyEpoch &&
  left.from?.membership === right.from?.membership;
