import type { Hex } from "viem";
import { z } from "zod";
import { confirmationSchema } from "../dkg/messages.ts";
import { planSchema } from "../dkg/Plan.ts";
import { aggregatorSetSchema } from "./AggregatorSet.ts";

const hex = (bytes: number) =>
  z.custom<Hex>(
    (value) => typeof value === "string" && new RegExp(`^0x[0-9a-f]{${bytes * 2}}$`).test(value),
    `expected 0x and ${bytes} bytes of lowercase hex`,
  );

/** What everybody may know of the key of one epoch. */
export const groupKeySchema = z.strictObject({
  keyEpoch: z.number().int().min(1),
  threshold: z.number().int().min(2),
  /** G2, 256 bytes, encoded per EIP-2537. */
  groupPublicKey: hex(256),
  publicShares: z.array(z.strictObject({ replica: z.number().int().min(1), publicShare: hex(256) })),
});
export type PublicKeyOfEpoch = z.infer<typeof groupKeySchema>;

export const keyShareSchema = groupKeySchema.extend({
  laneId: z.number().int(),
  replica: z.number().int().min(1),
  /** Secret scalar, big-endian. */
  share: hex(32),
  /** G1, 128 bytes. */
  possessionProof: hex(128),
  /** Who holds the key. */
  set: aggregatorSetSchema,
  plan: planSchema,
  transcriptHash: hex(32),
  confirmations: z.array(confirmationSchema),
});

/** A replica's share of the group key of one epoch, with everything public about the key. */
export type KeyShare = z.infer<typeof keyShareSchema>;

export const publicPartOf = ({
  keyEpoch,
  threshold,
  groupPublicKey,
  publicShares,
}: PublicKeyOfEpoch): PublicKeyOfEpoch => ({ keyEpoch, threshold, groupPublicKey, publicShares });
