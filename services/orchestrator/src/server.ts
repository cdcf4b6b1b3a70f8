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
  watchTls,
} from "@tac/kit";
import { Deployment, Wire } from "@tac/protocol";
import { createClient } from "@tac/sdk";
import { privateKeyToAccount } from "viem/accounts";
import { buildApp } from "./app.ts";
import { createAuditStore } from "./audit/AuditStore.ts";
import { readConfig } from "./config.ts";
import { fetchTariffs } from "./planner/fetchTariffs.ts";
import { defaultPolicy, policySchema } from "./policy/Policy.ts";
import { followTasks } from "./tasks/followTasks.ts";
import { recoverTasks } from "./tasks/recoverTasks.ts";
import type { TaskContext } from "./tasks/TaskContext.ts";
import { createTaskStore } from "./tasks/TaskStore.ts";

/** How often late settlements and unclosed jobs are looked at. */
const LOOK_EVERY_MS = 5_000;

await runService(async () => {
  const config = readConfig();
  const logger = createLogger({ service: "orchestrator", level: config.LOG_LEVEL });
  const metrics = createMetrics({ service: "orchestrator" });
  const tls = openTls(config, { logger, metrics, plainOnLoopback: true });
  const deployment = await loadJsonFile(config.DEPLOYMENT_FILE, Deployment.schema);
  const policy =
    config.POLICY_FILE === undefined ? defaultPolicy : await loadJsonFile(config.POLICY_FILE, policySchema);
  const trust =
    config.GATEWAY_CA_FILE === undefined
      ? null
      : watchTls(
          { caFile: config.GATEWAY_CA_FILE },
          { logger, metrics, certificate: "trust", pollMs: config.TLS_POLL_MS },
        );

  await ensureDatabase(config.DATABASE_URL);
  const pool = createPool({
    url: config.DATABASE_URL,
    onIdleError: (error) => logger.warn({ err: error }, "a database connection was lost"),
  });
  const migrations = await migrate(pool, fileURLToPath(new URL("../migrations", import.meta.url)));
  if (migrations.length > 0) logger.info({ migrations }, "migrated");

  const client = createClient({
    gatewayUrl: config.GATEWAY_URL,
    deployment,
    tenant: privateKeyToAccount(config.TENANT_PRIVATE_KEY),
    ...(trust === null ? {} : { ca: () => trust.current().ca ?? "" }),
    ...(config.TARIFF_SIGNER === undefined ? {} : { tariffSigner: config.TARIFF_SIGNER }),
  });
  const context: TaskContext = {
    pool,
    tasks: createTaskStore(pool),
    audit: createAuditStore(pool),
    client,
    policy,
    tenant: Wire.privateKeyToAddress(config.TENANT_PRIVATE_KEY),
    tenantPrivateKey: config.TENANT_PRIVATE_KEY,
    fetchTariffs: () => fetchTariffs(config.TARIFF_URL),
    settlementTimeoutMs: config.SETTLEMENT_TIMEOUT_SECONDS * 1000,
    logger,
  };
  // Before the first task is accepted, so that no task of this process can be taken for an abandoned one.
  const recovery = await recoverTasks(context);
  if (recovery.recovered > 0) logger.warn(recovery, "tasks of an earlier process were ended");

  const { app, runner } = buildApp({
    context,
    runnerOptions: {
      maxRunning: config.MAX_RUNNING_TASKS,
      outputsTtlMs: config.OUTPUTS_TTL_SECONDS * 1000,
    },
    apiToken: config.API_TOKEN,
    metrics,
    tls: tls && { source: tls, clients: "none" },
  });
  const follower = followTasks(context, { isRunning: runner.isRunning, everyMs: LOOK_EVERY_MS });
  closeWithGrace({
    logger,
    closers: {
      app: () => app.close(),
      tasks: () => runner.drain(),
      follower: follower.stop,
      gateway: () => client.shutdown(),
      database: () => pool.end(),
      tls: async () => {
        tls?.close();
        trust?.close();
      },
    },
  });
  await app.listen({ host: config.HOST, port: config.PORT });
});
