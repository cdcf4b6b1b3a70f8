import { capabilityAuthorityAbi, creditVaultAbi } from "@tac/contracts/abi";
import {
  assertChainId,
  closeWithGrace,
  createBroadcast,
  createChain,
  createLogger,
  createMetrics,
  createPool,
  createSender,
  openTls,
  runService,
} from "@tac/kit";
import { Wire } from "@tac/protocol";
import { createViemChain } from "./chain/viemChain.ts";
import { readConfig } from "./config.ts";
import { createGateway } from "./createGateway.ts";
import { loadPeers } from "./feed/loadPeers.ts";
import { prepareStore } from "./ledger/prepareStore.ts";
import { lowerHelperThreads } from "./lowerHelperThreads.ts";
import { serveMetrics } from "./metricsServer.ts";
import { openProviderTls } from "./upstream/openProviderTls.ts";
import { loadProviders } from "./upstream/Provider.ts";

await runService(async () => {
  const config = readConfig();
  const logger = createLogger({ service: "gateway", level: config.LOG_LEVEL });
  lowerHelperThreads((error) => logger.warn({ err: error }, "V8's helper threads keep their priority"));
  const metrics = createMetrics({ service: "gateway" });
  const tls = openTls(config, {
    logger,
    metrics,
    checksPeers: config.UNSAFE_PEERS_WITHOUT_CERTIFICATES === "0",
  });
  const providers = loadProviders(config.PROVIDERS_FILE, {
    allowsPlain: config.UNSAFE_PLAIN_PROVIDERS === "1",
  });
  const providerTls = openProviderTls(providers, config, { logger, metrics });
  if (config.TLS_TERMINATED_UPSTREAM === "1" || tls === null)
    logger.warn(
      { profile: "nonce-only" },
      "capabilities cannot be bound to connections: TLS ends before this gateway",
    );
  if (config.MIGRATION_DATABASE_URL === undefined)
    logger.warn(
      "one database role migrates and runs: set MIGRATION_DATABASE_URL to keep the ledger from the gateway",
    );
  await prepareStore({ databaseUrl: config.DATABASE_URL, migrationUrl: config.MIGRATION_DATABASE_URL });
  const pool = createPool({
    url: config.DATABASE_URL,
    max: config.DATABASE_POOL_SIZE,
    onIdleError: (error) => logger.warn({ err: error }, "a database connection was lost"),
  });

  const { deployment } = config;
  const broadcast = createBroadcast({
    databaseUrl: config.DATABASE_URL,
    redisUrl: config.REDIS_URL,
    namespace: Wire.privateKeyToAddress(config.GATEWAY_PRIVATE_KEY),
    onError: (error) => logger.warn({ err: error }, "the channel of revocations is disturbed"),
  });
  const chainSettings = { rpcUrls: config.RPC_URLS, chainId: deployment.chainId };
  const chain = createChain(chainSettings);
  await assertChainId(chain);
  const sender = createSender({
    chain,
    settings: chainSettings,
    privateKey: config.LOCK_SENDER_PRIVATE_KEY ?? config.GATEWAY_PRIVATE_KEY,
    errorAbi: [...creditVaultAbi, ...capabilityAuthorityAbi],
  });

  const gateway = await createGateway(
    {
      publicUrl: config.PUBLIC_URL,
      replicaId: config.replicaId,
      gatewayPrivateKey: config.GATEWAY_PRIVATE_KEY,
      deployment,
      tariffUrl: config.TARIFF_URL,
      adminToken: config.ADMIN_TOKEN ?? null,
      tariffSigners: config.TARIFF_SIGNERS,
      usageAuthLifetimeSeconds: config.USAGE_AUTH_LIFETIME_SECONDS,
      shutdownGraceMs: config.SHUTDOWN_GRACE_MS,
      upstreamTimeoutMs: config.UPSTREAM_TIMEOUT_MS,
      providerConnections: config.PROVIDER_CONNECTIONS,
      revocationPollMs: config.REVOCATION_POLL_MS,
      chainMaxAgeMs: config.CHAIN_MAX_AGE_MS,
      answerTtlMs: config.ANSWER_TTL_SECONDS * 1000,
      rateLimits: {
        perIpPerMinute: config.RATE_LIMIT_IP_PER_MINUTE,
        perJobPerMinute: config.RATE_LIMIT_JOB_PER_MINUTE,
        quotesPerMinute: config.RATE_LIMIT_QUOTES_PER_MINUTE,
      },
      tls,
      isTlsTerminatedUpstream: config.TLS_TERMINATED_UPSTREAM === "1",
      trustedProxies: config.TRUSTED_PROXIES,
      release: {
        perMinute: config.LOCK_RELEASES_PER_MINUTE,
        marginSeconds: config.LOCK_RELEASE_MARGIN_SECONDS,
      },
      call: {
        deadlineMs: config.CALL_DEADLINE_MS,
        reportWaitMs: config.USAGE_REPORT_WAIT_MS,
        idempotencyWaitMs: config.IDEMPOTENCY_WAIT_MS,
        maxAnswerBytes: config.MAX_ANSWER_BYTES,
        maxStoredBytes: config.MAX_STORED_ANSWER_BYTES,
      },
    },
    {
      pool,
      chain: createViemChain(chain, sender, deployment),
      broadcast,
      providers,
      providerTls,
      peers: loadPeers(config.AGGREGATORS_FILE),
      logger,
      metrics,
    },
  );
  await gateway.start();
  await gateway.app.listen({ host: config.HOST, port: config.PORT });
  const { METRICS_HOST: host, METRICS_PORT: port } = config;
  const metricsServer = port === undefined ? null : await serveMetrics(metrics, { host, port });
  logger.info({ url: config.PUBLIC_URL, replicaId: config.replicaId }, "the gateway listens");
  closeWithGrace({
    logger,
    closers: {
      server: () => gateway.app.close(),
      metrics: async () => metricsServer?.close(),
      background: gateway.stop,
      broadcast: broadcast.close,
      store: () => pool.end(),
      tls: async () => {
        for (const source of [tls, ...providerTls.values()]) source?.close();
      },
    },
  });
});
