import { ConfigError, closeWithGrace, createLogger, createMetrics, openTls, runService } from "@tac/kit";
import { buildApp } from "./app.ts";
import { buildGuard } from "./buildGuard.ts";
import { readConfig } from "./config.ts";
import { openGatewayDispatcher } from "./openGatewayDispatcher.ts";
import { createReporter } from "./reporter.ts";

await runService(async () => {
  const config = readConfig();
  const logger = createLogger({ service: "provider-sim", level: config.LOG_LEVEL });
  if (config.REPORTS_USAGE === "emit" && config.GATEWAY_URL === undefined) {
    throw new ConfigError([
      { variable: "GATEWAY_URL", problem: "missing; it is needed with REPORTS_USAGE=emit" },
    ]);
  }
  const metrics = createMetrics({ service: "provider-sim" });
  const tls = openTls(config, { logger, metrics, checksPeers: true });
  const gateway = openGatewayDispatcher(config, { logger, metrics });
  const { dispatcher } = gateway;
  const { guard, watch } = await buildGuard(
    config,
    { logger, dispatcher },
    { demandsCertificate: tls !== null },
  );
  const reporter = createReporter({
    mode: config.REPORTS_USAGE,
    gatewayUrl: config.GATEWAY_URL,
    dispatcher,
    logger,
  });
  const app = buildApp({
    apiKey: config.API_KEY,
    models: config.MODELS,
    guard,
    reporter,
    configured: {
      latencyMs: config.SIM_LATENCY_MS,
      tokenLatencyMs: config.SIM_TOKEN_LATENCY_MS,
      failureRate: config.SIM_FAILURE_RATE,
      failureStatus: config.SIM_FAILURE_STATUS,
      hang: config.SIM_HANG,
      outputTokens: undefined,
      cachedTokens: 0,
      cutAfterTokens: undefined,
      hostileHeaders: false,
      reportExtraTokens: 0,
    },
    logger,
    metrics,
    tls: tls === null ? undefined : { source: tls, clients: "require" },
    checks: watch === undefined ? {} : { revocations: async () => watch.assertFresh() },
  });
  closeWithGrace({
    logger,
    closers: {
      app: () => app.close(),
      ...(watch === undefined ? {} : { revocations: () => watch.close() }),
      gateway: () => gateway.close(),
      tls: async () => tls?.close(),
    },
  });
  await app.listen({ host: config.HOST, port: config.PORT });
});
