import { fileURLToPath } from "node:url";
import {
  assertChainId,
  closeWithGrace,
  createChain,
  createLogger,
  createMetrics,
  createPool,
  createQueues,
  ensureDatabase,
  followLogs,
  loadConfig,
  migrate,
  openTls,
  runService,
  TlsDispatcher,
  watchTls,
} from "@tac/kit";
import { Wire } from "@tac/protocol";
import { Agent } from "undici";
import { buildApp } from "./app.ts";
import { billingEventsAbi } from "./chain/billingEventsAbi.ts";
import { createChainReader } from "./chain/createChainReader.ts";
import { configShape } from "./config.ts";
import { createPipeline } from "./ingest/createPipeline.ts";
import { createAggregator } from "./ingest/fetchBatch.ts";
import { createTariffPort } from "./ingest/fetchTariff.ts";
import { NO_TAX, readTaxRules } from "./invoice/tax.ts";
import { readDeployment } from "./readDeployment.ts";
import { loadCursor, recordLogs } from "./store/events.ts";

const STALE_CHAIN_MS = 30_000;

await runService(async () => {
  const config = loadConfig(configShape);
  const logger = createLogger({ service: "billing", level: config.LOG_LEVEL });
  const metrics = createMetrics({ service: "billing" });
  const tls = openTls(config, { logger, metrics, plainOnLoopback: true });
  const trust =
    config.TLS_CA_FILE === undefined
      ? null
      : watchTls(
          { caFile: config.TLS_CA_FILE },
          { logger, metrics, certificate: "trust", pollMs: config.TLS_POLL_MS },
        );
  const dispatcher =
    trust === null
      ? undefined
      : new TlsDispatcher({ source: trust, create: (connect) => new Agent({ connect }) });
  const deployment = readDeployment(config.DEPLOYMENT_FILE);
  const taxRules = config.TAX_RULES_FILE === undefined ? NO_TAX : readTaxRules(config.TAX_RULES_FILE);

  const chain = createChain({ rpcUrls: config.RPC_URLS, chainId: deployment.chainId });
  await assertChainId(chain);
  await ensureDatabase(config.DATABASE_URL);
  await migrate(config.DATABASE_URL, fileURLToPath(new URL("../migrations", import.meta.url)));
  const pool = createPool({
    url: config.DATABASE_URL,
    onIdleError: (error) => logger.warn({ err: error }, "database connection lost"),
  });
  const queues = createQueues({
    databaseUrl: config.DATABASE_URL,
    redisUrl: config.REDIS_URL,
    onError: (error, queueName) => logger.warn({ err: error, queue: queueName }, "queue"),
  });
  const reader = createChainReader({ rpcUrls: config.RPC_URLS, deployment });
  const pipeline = createPipeline({
    pool,
    deployment,
    reader,
    queues,
    metrics,
    logger,
    taxRules,
    aggregators: config.AGGREGATOR_URLS.map((url) => createAggregator(url, dispatcher)),
    fetchTariff: createTariffPort(config.TARIFF_URL),
    privateKey: config.BILLING_PRIVATE_KEY,
    now: Date.now,
  });
  const follower = followLogs({
    client: chain,
    abi: billingEventsAbi,
    address: [
      deployment.usageReceipts,
      deployment.settlementTreasury,
      deployment.creditVault,
      deployment.providerRegistry,
    ],
    fromBlock: deployment.startBlock,
    confirmations: BigInt(config.CONFIRMATIONS),
    loadCursor: () => loadCursor(pool),
    onLogs: (logs, { toBlock }) => recordLogs(pool, deployment, logs, toBlock),
    // The cursor moved in the transaction that stored the logs.
    saveCursor: async () => undefined,
    onError: (error) => logger.warn({ err: error }, "following the chain"),
  });
  metrics.observedGauge("chain_lag_blocks", "Blocks not read yet", () => Number(follower.lagBlocks()));

  const app = buildApp({
    pool,
    deployment,
    reader,
    logger,
    metrics,
    issuer: Wire.privateKeyToAddress(config.BILLING_PRIVATE_KEY),
    explorerUrl: config.EXPLORER_URL,
    tls: tls && { source: tls, clients: "none" },
    checks: {
      database: () => pool.query("SELECT 1"),
      chain: async () => {
        if (Date.now() - follower.caughtUpAtMs() > STALE_CHAIN_MS)
          throw new Error("The chain is not followed to its head.");
      },
    },
  });
  closeWithGrace({
    logger,
    closers: {
      http: () => app.close(),
      follower: follower.stop,
      pipeline: pipeline.close,
      queues: queues.close,
      database: () => pool.end(),
      tls: async () => {
        await dispatcher?.destroy();
        tls?.close();
        trust?.close();
      },
    },
  });
  await app.listen({ host: config.HOST, port: config.PORT });
  logger.info({ host: config.HOST, port: config.PORT }, "billing listens");
});
