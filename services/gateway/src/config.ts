import { readFileSync } from "node:fs";
import { hostname } from "node:os";
import { ConfigError, configFields, loadConfig, tlsFields } from "@tac/kit";
import { Deployment } from "@tac/protocol";
import { z } from "zod";

const positive = (fallback: number, description: string) =>
  z.coerce.number().int().min(1).default(fallback).describe(description);

const switchOf = (description: string) => z.enum(["0", "1"]).default("0").describe(description);

/** Every environment variable of the gateway. */
const shape = {
  HOST: configFields.host,
  PORT: configFields.port(8443),
  LOG_LEVEL: configFields.logLevel,
  /** How callers reach this gateway; the base of every proof's `htu`. */
  PUBLIC_URL: configFields.httpUrl.transform((url) => new URL(url).origin),
  /** UNSAFE_PLAIN_HTTP=1 is for tests: only nonce-bound capabilities work then. */
  ...tlsFields,
  /** A load balancer ends the callers' TLS: no capability can be bound to their connections, and none is pretended to. */
  TLS_TERMINATED_UPSTREAM: switchOf("1 when something before this gateway ends the callers' TLS"),
  /** Whose `x-forwarded-for` is believed; to be set with TLS_TERMINATED_UPSTREAM, and only then. */
  TRUSTED_PROXIES: z
    .string()
    .transform((list) => list.split(",").map((entry) => entry.trim()))
    .pipe(z.array(z.union([z.ipv4(), z.ipv6(), z.cidrv4(), z.cidrv6()])).min(1))
    .optional()
    .describe("addresses and CIDR ranges of the proxies before this gateway, separated by commas"),
  /** Aggregators are then known by their signatures alone. */
  UNSAFE_PEERS_WITHOUT_CERTIFICATES: switchOf("1 to let aggregators connect without a certificate"),
  /** What the gateway shows to providers that demand mutual TLS. */
  TLS_CLIENT_CERT_FILE: configFields.filePath.optional(),
  TLS_CLIENT_KEY_FILE: configFields.filePath.optional(),
  UNSAFE_PLAIN_PROVIDERS: switchOf("1 to send calls to providers over plain HTTP"),
  /** The role that runs the gateway: it can neither change nor remove an entry of the ledger. */
  DATABASE_URL: configFields.databaseUrl,
  /** The role that owns the tables; used to migrate at start-up alone. Without it DATABASE_URL migrates too. */
  MIGRATION_DATABASE_URL: configFields.databaseUrl.optional(),
  DATABASE_POOL_SIZE: positive(20, "the most connections to PostgreSQL"),
  /** Where replicas hear of each other's revocations; without it, over PostgreSQL. */
  REDIS_URL: configFields.redisUrl.optional(),
  RPC_URLS: configFields.rpcUrls,
  DEPLOYMENT_FILE: configFields.filePath,
  /** Signs tokens, receipts and the feed's head. */
  GATEWAY_PRIVATE_KEY: configFields.privateKey,
  /** Pays the gas of vault.lock; one per replica, because two processes of one account race for nonces. */
  LOCK_SENDER_PRIVATE_KEY: configFields.privateKey.optional(),
  TARIFF_URL: configFields.httpUrl,
  /** Opens PUT and GET /v1/budgets to the operator. */
  ADMIN_TOKEN: configFields.secret.optional(),
  TARIFF_SIGNERS: z
    .string()
    .transform((list, context) => {
      const signers = z
        .array(configFields.address)
        .min(1)
        .safeParse(list.split(",").map((text) => text.trim()));
      if (signers.success) return signers.data;
      context.addIssue({ code: "custom", message: "not a list of addresses" });
      return z.NEVER;
    })
    .describe("addresses of trusted quote signers, separated by commas"),
  PROVIDERS_FILE: configFields.filePath,
  AGGREGATORS_FILE: configFields.filePath,
  /** Names this replica among those that share the database; it recovers its own calls at once after a restart. */
  REPLICA_ID: z
    .string()
    .regex(/^[A-Za-z0-9_.-]{1,64}$/)
    .optional()
    .describe("a name of letters, digits, dots and dashes, unique among the replicas"),
  USAGE_AUTH_LIFETIME_SECONDS: positive(600, "seconds, at most 3600").pipe(z.number().max(3600)),
  /** GET /metrics has a listener of its own; without a port nothing is served. */
  METRICS_HOST: configFields.host,
  METRICS_PORT: z.coerce.number().int().min(0).max(65_535).optional().describe("the port of GET /metrics"),
  /** Below the ten seconds after which a closing service is ended. */
  SHUTDOWN_GRACE_MS: positive(7_000, "how long running calls may go on at the end, in milliseconds"),
  REVOCATION_POLL_MS: positive(1_000, "milliseconds between two looks at the chain"),
  /** Calls are refused when the chain, or the channel of revocations, could not be read for longer. */
  CHAIN_MAX_AGE_MS: positive(5_000, "milliseconds"),
  /** Expired locks that nobody closed are given back to their tenants; the gas is LOCK_SENDER_PRIVATE_KEY's. */
  LOCK_RELEASES_PER_MINUTE: z.coerce
    .number()
    .int()
    .min(0)
    .max(1_000)
    .default(20)
    .describe("the most locks of ended jobs looked at in a minute, 0 for none"),
  LOCK_RELEASE_MARGIN_SECONDS: positive(3_600, "seconds that a lock waits beyond its expiry and grace"),
  CALL_DEADLINE_MS: positive(600_000, "the longest a call may take, in milliseconds"),
  UPSTREAM_TIMEOUT_MS: positive(120_000, "the longest a provider may be silent, in milliseconds"),
  /** One call or stream each; the calls beyond wait for one to end, their holds taken. */
  PROVIDER_CONNECTIONS: positive(1_024, "the most connections to one provider"),
  USAGE_REPORT_WAIT_MS: positive(2_000, "how long a countersigned call waits for the provider's report"),
  IDEMPOTENCY_WAIT_MS: positive(10_000, "how long a repeated key waits for its first call"),
  /** How long the answer of an idempotency key is kept. */
  ANSWER_TTL_SECONDS: positive(86_400, "seconds"),
  MAX_STORED_ANSWER_BYTES: positive(1024 * 1024, "the largest answer kept for a repeated key"),
  MAX_ANSWER_BYTES: positive(32 * 1024 * 1024, "the largest answer taken from a provider"),
  RATE_LIMIT_IP_PER_MINUTE: positive(60_000, "requests a minute from one address"),
  RATE_LIMIT_JOB_PER_MINUTE: positive(60_000, "requests a minute of one job"),
  /** Strangers may ask for quotes, and each is kept by the tariff service. */
  RATE_LIMIT_QUOTES_PER_MINUTE: positive(1_200, "quotes a minute for one address"),
};

export type Config = ReturnType<typeof readConfig>;

/** Reads the environment and the files it names. Throws ConfigError. */
export function readConfig(env: Record<string, string | undefined> = process.env) {
  const config = loadConfig(shape, env);
  if ((config.TLS_TERMINATED_UPSTREAM === "1") !== (config.TRUSTED_PROXIES !== undefined)) {
    throw new ConfigError([
      { variable: "TRUSTED_PROXIES", problem: "set it with TLS_TERMINATED_UPSTREAM=1, and only then" },
    ]);
  }
  return {
    ...config,
    deployment: Deployment.schema.parse(JSON.parse(readFileSync(config.DEPLOYMENT_FILE, "utf8"))),
    replicaId: config.REPLICA_ID ?? `${hostname()}-${config.PORT}`,
  };
}
