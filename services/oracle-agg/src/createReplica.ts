import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createPool, ensureDatabase, type Logger, migrate, type Pool, type TlsSource } from "@tac/kit";
import { Deployment, Wire } from "@tac/protocol";
import type { ChainPort } from "./chain/ChainPort.ts";
import { FeedPuller } from "./feed/FeedPuller.ts";
import type { GatewayPort } from "./feed/GatewayPort.ts";
import { createTariffSource, type TariffSource } from "./feed/TariffSource.ts";
import { createValidationPool } from "./feed/ValidationPool.ts";
import type { AggregatorSet } from "./keys/AggregatorSet.ts";
import type { KeyShare } from "./keys/KeyShare.ts";
import type { NodeKey } from "./keys/NodeKey.ts";
import { openPeerDispatcher } from "./peers/openPeerDispatcher.ts";
import { createPeerPort } from "./peers/PeerPort.ts";
import type { Context, KeyEpochs } from "./replica/Context.ts";
import type { ReplicaMetrics } from "./replica/ReplicaMetrics.ts";
import { createCrypto } from "./replica/signatures.ts";
import { type Cadence, DEFAULT_CADENCE, type Replica, startReplica } from "./replica.ts";
import { BatchStore } from "./store/BatchStore.ts";
import { DeliveryStore } from "./store/DeliveryStore.ts";
import { FeedStore } from "./store/FeedStore.ts";
import { VoteStore } from "./store/VoteStore.ts";

export type ReplicaOptions = {
  replica: number;
  set: AggregatorSet;
  nodeKey: NodeKey;
  key: KeyShare;
  keys: KeyEpochs;
  deployment: Deployment.Deployment;
  databaseUrl: string;
  tariffSigners: readonly `0x${string}`[];
  windowMs: number;
  leaderTimeoutMs: number;
  chain: ChainPort;
  gateways: readonly GatewayPort[];
  /** Where tariff documents come from: a service's URL, or anything that finds one by its hash. */
  tariffs: string | TariffSource;
  logger: Logger;
  metrics: ReplicaMetrics;
  /** Shown to, and trusted of, the other replicas; absent or null: plain HTTP. */
  tls?: TlsSource | null;
  cadence?: Cadence;
  /** Threads that validate beside the main one; one less than there are processors when absent. */
  validationThreads?: number;
};

const MIGRATIONS = join(import.meta.dirname, "..", "migrations");

/** Reads DEPLOYMENT_FILE, or null while it does not exist. */
export const readDeployment = (file: string): Deployment.Deployment | null =>
  existsSync(file) ? Wire.parse(Deployment.schema, JSON.parse(readFileSync(file, "utf8"))) : null;

/** Opens the store and starts a replica on it; stopping the replica closes the store and the gateways. */
export const createReplica = async (options: ReplicaOptions): Promise<Replica> => {
  const { set, replica, nodeKey, deployment, gateways, logger, databaseUrl } = options;
  await ensureDatabase(databaseUrl);
  const pool: Pool = createPool({
    url: databaseUrl,
    onIdleError: (error) => logger.warn({ err: error }, "idle database connection lost"),
  });
  const { tls = null } = options;
  const dispatchers = new Map(
    tls === null ? [] : set.replicas.map((entry) => [entry.id, openPeerDispatcher(entry, tls)] as const),
  );
  try {
    await migrate(pool, MIGRATIONS);
    const feeds = new FeedStore(pool);
    const validation = createValidationPool(options.validationThreads);
    const domains = Deployment.domains(deployment);
    const tariffs =
      typeof options.tariffs === "string" ? createTariffSource(options.tariffs, feeds) : options.tariffs;
    const identity = { peer: String(replica), nodeKey: nodeKey.signing };
    const context: Context = {
      replica,
      set,
      key: options.key,
      keys: options.keys,
      deployment,
      domains,
      chain: options.chain,
      feeds,
      batches: new BatchStore(pool),
      votes: new VoteStore(pool),
      crypto: createCrypto({ set, nodeKey, key: options.key, domains }),
      deliveries: new DeliveryStore(pool),
      gateways,
      pullers: gateways.map(
        (gateway) =>
          new FeedPuller({
            gateway,
            store: feeds,
            tariffs,
            domains,
            tariffSigners: new Set(options.tariffSigners),
            pool: validation,
            logger,
          }),
      ),
      peers: set.replicas
        .filter(({ id }) => id !== replica)
        .map(({ id, url }) => createPeerPort(id, url, set.laneId, identity, dispatchers.get(id))),
      windowMs: BigInt(options.windowMs),
      leaderTimeoutMs: BigInt(options.leaderTimeoutMs),
      nowMs: () => BigInt(Date.now()),
      logger,
      metrics: options.metrics,
    };
    options.metrics.keyEpoch.set(options.key.keyEpoch);
    const running = await startReplica(context, options.cadence ?? DEFAULT_CADENCE);
    return {
      ...running,
      stop: async () => {
        await running.stop();
        await validation.close();
        await Promise.all(gateways.map((gateway) => gateway.close()));
        await Promise.all([...dispatchers.values()].map((dispatcher) => dispatcher.destroy()));
        await pool.end();
      },
    };
  } catch (error) {
    await Promise.all(gateways.map((gateway) => gateway.close()));
    await Promise.all([...dispatchers.values()].map((dispatcher) => dispatcher.destroy()));
    await pool.end();
    throw error;
  }
};
