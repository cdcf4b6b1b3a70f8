import { closeWithGrace, createLogger, createMetrics, openTls, runService } from "@tac/kit";
import { buildApp } from "./app.ts";
import { createViemChain } from "./chain/viemChain.ts";
import { loadReplicaConfig, shareSecretOf } from "./config.ts";
import { createReplica, readDeployment } from "./createReplica.ts";
import { openCeremony } from "./dkg/openCeremony.ts";
import { createGatewayPort, loadGateways } from "./feed/GatewayPort.ts";
import { openGatewayDispatcher } from "./feed/openGatewayDispatcher.ts";
import { membershipHash } from "./keys/AggregatorSet.ts";
import { assertOwnEntry } from "./keys/assertOwnEntry.ts";
import { KeyRing } from "./keys/KeyRing.ts";
import { createKeyEpochs } from "./keys/keyEpochs.ts";
import { loadNodeKey } from "./keys/NodeKey.ts";
import { fileSetBook } from "./keys/SetBook.ts";
import { createShareSeal } from "./keys/ShareSeal.ts";
import { assertSafeUrls } from "./peers/assertSafeUrls.ts";
import { createRuntime, Waiting } from "./Runtime.ts";
import { createReplicaMetrics } from "./replica/ReplicaMetrics.ts";

const main = async (): Promise<void> => {
  const config = loadReplicaConfig();
  const replica = config.REPLICA_ID;
  const logger = createLogger({ service: "oracle-agg", level: config.LOG_LEVEL }).child({ replica });
  const metrics = createMetrics({ service: "oracle-agg" });
  const replicaMetrics = createReplicaMetrics(metrics);
  const book = fileSetBook(config.AGGREGATORS_FILE, config.NEXT_AGGREGATORS_FILE);
  const nodeKey = loadNodeKey(config.NODE_KEY_FILE);
  assertOwnEntry(book.sets(), replica, nodeKey);
  const gatewayEntries = loadGateways(config.GATEWAYS_FILE);
  const tls = openTls(config, { logger, metrics, checksPeers: true });
  if (tls !== null) for (const set of book.sets()) assertSafeUrls(set, gatewayEntries);
  const openGateway = openGatewayDispatcher(config, { logger, metrics, tls });
  const seal = createShareSeal(shareSecretOf(config));
  const ring = new KeyRing(config.KEY_FILE, seal);

  const runtime = createRuntime({
    logger,
    start: async () => {
      const key = ring.current();
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
        // Addresses may change without a ceremony, so the file's word on them is newer than the key's.
        set: book.find(membershipHash(key.set)) ?? key.set,
        nodeKey,
        key,
        keys: createKeyEpochs({ ring, used: key, renew: () => runtime.renew(), logger }),
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
  const ceremony = openCeremony({
    nodeKey,
    book,
    ring,
    seal,
    keyFile: config.KEY_FILE,
    onReady: ({ keyEpoch, groupPublicKey, transcriptHash }) =>
      logger.info({ keyEpoch, groupPublicKey, transcriptHash }, "key ceremony finished"),
    onComplaint: ({ ceremonyId, accused, reason }) => {
      replicaMetrics.complaints.inc({ replica: String(accused) });
      logger.error({ ceremonyId, accused, reason }, "a dealer broke the rules of a key ceremony");
    },
  });
  const app = buildApp({ book, replica, ceremony, runtime, ring, logger, metrics, tls });
  closeWithGrace({
    logger,
    closers: { http: () => app.close(), replica: () => runtime.stop(), tls: async () => tls?.close() },
  });
  await app.listen({ host: config.HOST, port: config.PORT });
  logger.info({ host: config.HOST, port: config.PORT }, "listening");
};

await runService(main);
