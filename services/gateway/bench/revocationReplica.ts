// One more replica in a process of its own, for `revocation.ts`; it is told where everything is by its parent.
import { createBroadcast, createLogger, createMetrics, createPool, staticTls } from "@tac/kit";

import { Tariff, Wire } from "@tac/protocol";
import { z } from "zod";
import { createGateway } from "../src/createGateway.ts";
import { FakeChain } from "../test/support/FakeChain.ts";
import { hex32 } from "../test/support/hex32.ts";
import { deployment, domains } from "../test/support/identities.ts";
import { chatTariff, embeddingTariff } from "../test/support/tariffs.ts";

export const startSchema = z.object({
  databaseUrl: z.string(),
  publicUrl: z.string(),
  providerUrl: z.string(),
  tariffUrl: z.string(),
  tariffSigner: Wire.address,
  gatewayKey: Wire.bytes32,
  certificate: z.object({ cert: z.string(), key: z.string() }),
});

process.once("message", async (message) => {
  const start = startSchema.parse(message);
  const chain = new FakeChain(domains);
  for (const tariff of [chatTariff, embeddingTariff]) {
    chain.tariffHashes.set(`${tariff.providerId}/${tariff.version}`, Tariff.hash(tariff));
  }
  const pool = createPool({ url: start.databaseUrl, max: 10, onIdleError: () => undefined });
  const broadcast = createBroadcast({
    databaseUrl: start.databaseUrl,
    namespace: Wire.privateKeyToAddress(start.gatewayKey),
    onError: (error) => console.error(error),
  });
  const gateway = await createGateway(
    {
      publicUrl: start.publicUrl,
      replicaId: "replica-of-its-own",
      gatewayPrivateKey: start.gatewayKey,
      deployment,
      tariffUrl: start.tariffUrl,
      adminToken: hex32(),
      tariffSigners: [start.tariffSigner],
      usageAuthLifetimeSeconds: 600,
      shutdownGraceMs: 500,
      upstreamTimeoutMs: 2_000,
      providerConnections: 64,
      revocationPollMs: 1_000,
      chainMaxAgeMs: 5_000,
      answerTtlMs: 3_600_000,
      rateLimits: { perIpPerMinute: 1_000_000, perJobPerMinute: 1_000_000, quotesPerMinute: 1_000_000 },
      tls: staticTls(start.certificate),
      release: { perMinute: 0, marginSeconds: 60 },
      call: {
        deadlineMs: 10_000,
        reportWaitMs: 1_000,
        idempotencyWaitMs: 1_000,
        maxAnswerBytes: 1_000_000,
        maxStoredBytes: 100_000,
      },
    },
    {
      pool,
      chain,
      broadcast,
      providers: [
        { providerId: 1, baseUrl: start.providerUrl, apiKey: "provider-secret", reportsUsage: "inline" },
        { providerId: 2, baseUrl: start.providerUrl, apiKey: "provider-secret", reportsUsage: "emit" },
      ],
      peers: new Map(),
      logger: createLogger({ service: "gateway", level: "silent" }),
      metrics: createMetrics({ service: "gateway", processMetrics: false }),
    },
  );
  await gateway.start();
  process.send?.({ connectUrl: await gateway.app.listen({ host: "127.0.0.1", port: 0 }) });
  process.once("message", async () => {
    await gateway.app.close();
    await gateway.stop();
    await broadcast.close();
    await pool.end();
    process.disconnect();
  });
});
process.send?.("ready");
