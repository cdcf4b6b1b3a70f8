import {
  closeSync,
  existsSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import type { Hex } from "viem";
import { z } from "zod";
import { confirmationSchema, round1Schema } from "../dkg/messages.ts";

const hex = (bytes: number) =>
  z.custom<Hex>(
    (value) => typeof value === "string" && new RegExp(`^0x[0-9a-f]{${bytes * 2}}$`).test(value),
    `expected 0x and ${bytes} bytes of lowercase hex`,
  );

const keyShareSchema = z.strictObject({
  version: z.literal(1),
  laneId: z.number().int(),
  attempt: z.number().int().min(1),
  replica: z.number().int().min(1),
  threshold: z.number().int().min(2),
  /** Secret scalar, big-endian. */
  share: hex(32),
  groupPublicKey: hex(256),
  possessionProof: hex(128),
  publicShares: z.array(z.strictObject({ replica: z.number().int().min(1), publicShare: hex(256) })),
  transcriptHash: hex(32),
  transcript: z.strictObject({ round1: z.array(round1Schema) }),
  confirmations: z.array(confirmationSchema),
});

/** A replica's share of the group key with everything public about the key. */
export type KeyShare = z.infer<typeof keyShareSchema>;

/** Writes a file so that a crash leaves the old or the new content, never a mixture; mode 0600. */
export const writeSecretFile = (file: string, content: string): void => {
  const temporary = `${file}.tmp`;
  const descriptor = openSync(temporary, "w", 0o600);
  try {
    writeSync(descriptor, content);
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
  renameSync(temporary, file);
};

/** Reads KEY_FILE, or null while it does not exist. Refuses a file that others can read. */
export const readKeyShare = (file: string): KeyShare | null => {
  if (!existsSync(file)) return null;
  if ((statSync(file).mode & 0o077) !== 0)
    throw new Error(`${file} must be readable by its owner only (0600).`);
  return keyShareSchema.parse(JSON.parse(readFileSync(file, "utf8")));
};

export const writeKeyShare = (file: string, key: KeyShare): void =>
  writeSecretFile(file, `${JSON.stringify(key, null, 2)}\n`);

/** Overwrites a secret file before it is unlinked. */
export const destroySecretFile = (file: string): void => {
  if (!existsSync(file)) return;
  writeSecretFile(file, "0".repeat(statSync(file).size));
  rmSync(file);
};
