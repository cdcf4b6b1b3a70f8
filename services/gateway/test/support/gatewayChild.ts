// A gateway as a process of its own, to be killed: it finds a ChildOrder in GATEWAY_ORDER, and prints its URL.
import { createBroadcast, createLogger, createMetrics, createPool } from "@tac/kit";
import { createGateway } from "../../src/createGateway.ts";
import { FakeChain } from "./FakeChain.ts";
import { type GatewayPlace, settingsOf } from "./harness.ts";
import { domains } from "./identities.ts";

export type ChildOrder = {
  place: GatewayPlace;
  replicaId: string;
  /** Where it reaches its store, which the test may cut. */
  storeUrl: string;
  providerUrl: string;
};

await serve(JSON.parse(process.env.GATEWAY_ORDER ?? "{}") as ChildOrder);

async function serve({ place, replicaId, storeUrl, providerUrl }: ChildOrder): Promise<void> {
  const settings = settingsOf(place);
  const gateway = await createGateway(
    {
      ...settings,
      replicaId,
      upstreamTimeoutMs: 60_000,
      providerConnections: 64,
      chainMaxAgeMs: 60_000,
      call: { ...settings.call, deadlineMs: 600_000 },
    },
    {
      pool: createPool({ url: storeUrl, max: 8, onIdleError: () => undefined }),
      chain: new FakeChain(domains),
      broadcast: createBroadcast({ databaseUrl: storeUrl, namespace: replicaId, onError: () => undefined }),
      providers: [{ providerId: 1, baseUrl: providerUrl, apiKey: "provider-secret", reportsUsage: "none" }],
      peers: new Map(),
      logger: createLogger({ service: "gateway", level: process.env.LOG_LEVEL ?? "silent" }),
      metrics: createMetrics({ service: "gateway", processMetrics: false }),
    },
  );
  await gateway.start();
  process.stdout.write(`${await gateway.app.listen({ host: "127.0.0.1", port: 0 })}\n`);
}
