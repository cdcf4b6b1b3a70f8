import { createHash, createPublicKey, type KeyObject } from "node:crypto";
import { readFileSync } from "node:fs";
import { z } from "zod";

const rawKey = z
  .string()
  .regex(/^[A-Za-z0-9_-]{43}$/)
  .refine((text) => Buffer.from(text, "base64url").toString("base64url") === text, "not canonical base64url");

const replicaSchema = z.strictObject({
  id: z.number().int().min(1).max(255),
  url: z.url(),
  nodePublicKey: rawKey,
  encryptionPublicKey: rawKey,
});

/** The file every replica and the admin command share: who the replicas are, and how many must agree. */
export const aggregatorSetSchema = z
  .strictObject({
    laneId: z.number().int().min(0).max(0xffff_ffff),
    threshold: z.number().int().min(2),
    replicas: z.array(replicaSchema).min(2).max(255),
  })
  .refine(({ replicas }) => replicas.every(({ id }, index) => id === index + 1), "ids count from 1 in order")
  .refine(({ replicas, threshold }) => threshold <= replicas.length, "threshold above the number of replicas")
  // Two groups of half the replicas can be disjoint, and could each decide on a batch of their own.
  .refine(
    ({ replicas, threshold }) => 2 * threshold > replicas.length,
    "threshold not above half the number of replicas: two groups could sign different batches",
  )
  .refine(
    ({ replicas }) =>
      new Set(replicas.flatMap((one) => [one.nodePublicKey, one.encryptionPublicKey])).size ===
      2 * replicas.length,
    "every key must belong to one replica only",
  );

export type AggregatorSet = z.infer<typeof aggregatorSetSchema>;
export type ReplicaEntry = AggregatorSet["replicas"][number];

/** Reads AGGREGATORS_FILE. Throws a ZodError that names the field at fault. */
export const loadAggregatorSet = (file: string): AggregatorSet =>
  aggregatorSetSchema.parse(JSON.parse(readFileSync(file, "utf8")));

/** The entry of a replica. Throws when the set has no such replica. */
export const replicaOf = (set: AggregatorSet, id: number): ReplicaEntry => {
  const entry = set.replicas[id - 1];
  if (entry === undefined) throw new Error(`The aggregator set has no replica ${id}.`);
  return entry;
};

/** SHA-256 (hex) of everything in the set but the URLs, so that a replica may move without a new ceremony. */
export const membershipHash = (set: AggregatorSet): string =>
  createHash("sha256")
    .update(
      JSON.stringify([
        "tac-aggregators",
        set.laneId,
        set.threshold,
        set.replicas.map(({ id, nodePublicKey, encryptionPublicKey }) => [
          id,
          nodePublicKey,
          encryptionPublicKey,
        ]),
      ]),
    )
    .digest("hex");

/** A raw 32-byte key (RFC 8037 `x`) as a KeyObject. */
export const publicKeyOf = (crv: "Ed25519" | "X25519", x: string): KeyObject =>
  createPublicKey({ key: { kty: "OKP", crv, x }, format: "jwk" });
