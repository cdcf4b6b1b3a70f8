import { closeWithGrace, createLogger, createMetrics, openTls, runService } from "@tac/kit";
import { buildApp } from "./app.ts";
import { createViemChain } from "./chain/viemChain.ts";
import { loadReplicaConfig } from "./config.ts";
import { createReplica, readDeployment } from "./createReplica.ts";
import { Ceremony } from "./dkg/Ceremony.ts";
import { createGatewayPort, loadGateways } from "./feed/GatewayPort.ts";
import { openGatewayDispatcher } from "./feed/openGatewayDispatcher.ts";
import { loadAggregatorSet, replicaOf } from "./keys/AggregatorSet.ts";
import { readKeyShare } from "./keys/KeyShare.ts";
import { loadNodeKey } from "./keys/NodeKey.ts";
import { assertSafeUrls } from "./peers/assertSafeUrls.ts";
import { createRuntime, Waiting } from "./Runtime.ts";
import { createReplicaMetrics } from "./replica/ReplicaMetrics.ts";

const main = async (): Promise<void> => {
  const config = loadReplicaConfig();
  const replica = config.REPLICA_ID;
  const logger = createLogger({ service: "oracle-agg", level: config.LOG_LEVEL }).child({ replica });
  const metrics = createMetrics({ service: "oracle-agg" });
  const replicaMetrics = createReplicaMetrics(metrics);
  const set = loadAggregatorSet(config.AGGREGATORS_FILE);
  const nodeKey = loadNodeKey(config.NODE_KEY_FILE);
  const entry = replicaOf(set, replica);
  if (
    entry.nodePublicKey !== nodeKey.nodePublicKey ||
    entry.encryptionPublicKey !== nodeKey.encryptionPublicKey
  )
    throw new Error(`NODE_KEY_FILE is not the key that AGGREGATORS_FILE lists for replica ${replica}.`);
  const gatewayEntries = loadGateways(config.GATEWAYS_FILE);
  const tls = openTls(config, { logger, metrics, checksPeers: true });
  if (tls !== null) assertSafeUrls(set, gatewayEntries);
  const openGateway = openGatewayDispatcher(config, { logger, metrics, tls });
  const readKey = () => readKeyShare(config.KEY_FILE);

  const runtime = createRuntime({
    logger,
    start: async () => {
      const key = readKey();
      if (key === null) throw new Waiting("WaitingForKey");
      const deployment = readDeployment(config.DEPLOYMENT_FILE);
      if (deployment === null) throw new Waiting("WaitingForDeployment");
      const chain = createViemChain({
        deployment,
        rpcUrls: config.RPC_URLS,
        submitterPrivateKey: config.SUBMITTER_PRIVATE_KEY,
        confirmations: BigInt(config.CONFIRMATIONS),
        onEndpoint: (place, isUp) => {
          replicaMetrics.rpcUp.set({ place: String(place) }, isUp ? 1 : 0);
          logger[isUp ? "info" : "warn"](
            { place },
            isUp ? "RPC endpoint answers again" : "RPC endpoint fails",
          );
        },
      });
      const identity = { peer: String(replica), nodeKey: nodeKey.signing };
      return createReplica({
        replica,
        set,
        nodeKey,
        key,
        deployment,
        databaseUrl: config.DATABASE_URL,
        tariffSigners: config.TARIFF_SIGNERS,
        windowMs: config.WINDOW_MS,
        leaderTimeoutMs: config.LEADER_TIMEOUT_MS,
        chain,
        gateways: gatewayEntries.map((gateway) => createGatewayPort(gateway, identity, openGateway(gateway))),
        tariffs: config.TARIFF_URL,
        logger,
        metrics: replicaMetrics,
        tls,
      });
    },
  });
  const ceremony = new Ceremony({
    set,
    replica,
    nodeKey,
    keyFile: config.KEY_FILE,
    onReady: ({ groupPublicKey, transcriptHash }) =>
      logger.info({ groupPublicKey, transcriptHash }, "key ceremony finished"),
  });
  const app = buildApp({ set, replica, ceremony, runtime, readKey, logger, metrics, tls });
  closeWithGrace({
    logger,
    closers: { http: () => app.close(), replica: () => runtime.stop(), tls: async () => tls?.close() },
  });
  await app.listen({ host: config.HOST, port: config.PORT });
  logger.info({ host: config.HOST, port: config.PORT }, "listening");
};

await runService(main);
