import { ConfigError, configFields, loadConfig, tlsFields } from "@tac/kit";
import type { Address } from "viem";
import { z } from "zod";
import { readShareSecret, type ShareSecret } from "./keys/ShareSeal.ts";

const addresses = z
  .string()
  .transform((list) => list.split(",").map((address) => address.trim()))
  .pipe(z.array(z.string().regex(/^0x[0-9a-f]{40}$/)).min(1))
  .transform((list) => list.map((address) => address as Address));

/** What one replica reads from its environment. */
const shape = {
  HOST: configFields.host,
  PORT: configFields.port(9101),
  LOG_LEVEL: configFields.logLevel,
  /** One certificate for both directions: it names this replica's node key. */
  ...tlsFields,
  DATABASE_URL: configFields.databaseUrl,
  REPLICA_ID: z.coerce
    .number()
    .int()
    .min(1)
    .max(255)
    .describe("this replica's id in AGGREGATORS_FILE, from 1"),
  AGGREGATORS_FILE: configFields.filePath.describe("the JSON file that lists the replicas and the threshold"),
  NODE_KEY_FILE: configFields.filePath.describe("the JSON file with this replica's two private JWKs"),
  NEXT_AGGREGATORS_FILE: configFields.filePath
    .describe("the set that a resharing or a rotation may give the key to; may appear later")
    .optional(),
  KEY_FILE: configFields.filePath.describe(
    "where this replica keeps its shares of the group key, with .epoch-N and the like added to the name",
  ),
  KEY_PASSPHRASE_FILE: configFields.filePath
    .describe("a passphrase that seals the key shares; this or KEY_WRAPPING_KEY_FILE is needed")
    .optional(),
  KEY_WRAPPING_KEY_FILE: configFields.filePath
    .describe("32 random bytes, as hex digits, that seal the key shares")
    .optional(),
  DEPLOYMENT_FILE: configFields.filePath.describe(
    "the JSON file with the contracts' addresses; may appear later",
  ),
  RPC_URLS: configFields.rpcUrls,
  SUBMITTER_PRIVATE_KEY: configFields.privateKey,
  GATEWAYS_FILE: configFields.filePath.describe("the JSON file that lists the gateways"),
  TARIFF_URL: configFields.httpUrl,
  TARIFF_SIGNERS: addresses.describe("the addresses whose quotes count, separated by commas"),
  WINDOW_MS: z.coerce.number().int().min(100).default(2_000).describe("the least time between two batches"),
  LEADER_TIMEOUT_MS: z.coerce
    .number()
    .int()
    .min(500)
    .default(3_000)
    .describe("how long a leader has before the next one takes over"),
  CONFIRMATIONS: z.coerce
    .number()
    .int()
    .min(0)
    .default(0)
    .describe("how many blocks behind the chain's head the replica acts"),
};

/** Errors: ConfigError that names each variable at fault. */
export const loadReplicaConfig = (env: Record<string, string | undefined> = process.env) => {
  const config = loadConfig(shape, env);
  const { KEY_PASSPHRASE_FILE: passphrase, KEY_WRAPPING_KEY_FILE: wrappingKey } = config;
  if ((passphrase === undefined) === (wrappingKey === undefined))
    throw new ConfigError([
      {
        variable: "KEY_PASSPHRASE_FILE",
        problem: "name either this or KEY_WRAPPING_KEY_FILE: key shares are not kept unsealed",
      },
    ]);
  return config;
};

/** What seals this replica's key shares. */
export const shareSecretOf = ({
  KEY_PASSPHRASE_FILE: passphrase,
  KEY_WRAPPING_KEY_FILE: wrappingKey,
}: Pick<ReplicaConfig, "KEY_PASSPHRASE_FILE" | "KEY_WRAPPING_KEY_FILE">): ShareSecret =>
  wrappingKey === undefined
    ? readShareSecret("passphrase", passphrase ?? "")
    : readShareSecret("key-file", wrappingKey);

export type ReplicaConfig = ReturnType<typeof loadReplicaConfig>;
