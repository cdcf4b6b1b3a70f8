import { fileURLToPath } from "node:url";
import {
  closeWithGrace,
  createLogger,
  createMetrics,
  createPool,
  ensureDatabase,
  loadJsonFile,
  migrate,
  openTls,
  runService,
} from "@tac/kit";
import { Deployment } from "@tac/protocol";
import { buildApp } from "./app.ts";
import { readConfig } from "./config.ts";
import { seedTariffs } from "./seedTariffs.ts";
import { createTariffStore } from "./TariffStore.ts";

await runService(async () => {
  const config = readConfig();
  const logger = createLogger({ service: "tariff", level: config.LOG_LEVEL });
  const metrics = createMetrics({ service: "tariff" });
  const tls = openTls(config, { logger, metrics, plainOnLoopback: true });
  const deployment = await loadJsonFile(config.DEPLOYMENT_FILE, Deployment.schema);

  await ensureDatabase(config.DATABASE_URL);
  const pool = createPool({
    url: config.DATABASE_URL,
    onIdleError: (error) => logger.warn({ err: error }, "a database connection was lost"),
  });
  const migrations = await migrate(pool, fileURLToPath(new URL("../migrations", import.meta.url)));
  if (migrations.length > 0) logger.info({ migrations }, "migrated");
  if (config.TARIFFS_FILE !== undefined) {
    const added = await seedTariffs(createTariffStore(pool), config.TARIFFS_FILE);
    logger.info({ added }, "tariffs seeded");
  }

  const app = buildApp({
    pool,
    domain: Deployment.domains(deployment).quote,
    signerPrivateKey: config.SIGNER_PRIVATE_KEY,
    adminToken: config.ADMIN_TOKEN,
    logger,
    metrics,
    tls: tls && { source: tls, clients: "none" },
  });
  closeWithGrace({
    logger,
    closers: { app: () => app.close(), database: () => pool.end(), tls: async () => tls?.close() },
  });
  await app.listen({ host: config.HOST, port: config.PORT });
});
