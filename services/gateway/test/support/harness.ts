import { createPublicKey, type KeyObject } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import {
  type Broadcast,
  createBroadcast,
  createLogger,
  createMetrics,
  createPool,
  type Metrics,
  type Pool,
  staticTls,
} from "@tac/kit";
import { freePort, startTestDatabase, type TestDatabase } from "@tac/kit/testing";
import { HolderKey, PeerAuth, PrivateKey, Tariff, Wire } from "@tac/protocol";
import type { Address, Hex } from "viem";
import { createGateway, type Gateway, type GatewaySettings } from "../../src/createGateway.ts";
import { auditJob } from "../../src/ledger/auditJob.ts";
import { prepareStore } from "../../src/ledger/prepareStore.ts";
import { makeCertificate } from "./certificates.ts";
import { FakeChain } from "./FakeChain.ts";
import { grantBody, type JobOptions, makeGrant } from "./grants.ts";
import { hex32 } from "./hex32.ts";
import {
  adminToken,
  deployment,
  domains,
  gatewayAddress,
  gatewayKey,
  providerKey,
  tariffKey,
} from "./identities.ts";
import { serveTariffs } from "./serveTariffs.ts";
import { type CallerConnection, TestCaller } from "./TestCaller.ts";
import { answerUsual, TestProvider } from "./TestProvider.ts";
import { chatTariff, embeddingTariff } from "./tariffs.ts";

export type Harness = Awaited<ReturnType<typeof startHarness>>;

/** A locked job, with the caller that holds its capability. */
export type TestJob = Awaited<ReturnType<Harness["openJob"]>>;

/** What tells one harness's gateways from another's; it can be handed to another process. */
export type GatewayPlace = {
  url: string;
  tariffUrl: string;
  certificate: { cert: string; key: string };
  gatewayPrivateKey: Hex;
  tariffSigner: Address;
};

export function settingsOf(place: GatewayPlace): GatewaySettings {
  return {
    publicUrl: place.url,
    replicaId: "replica-1",
    gatewayPrivateKey: place.gatewayPrivateKey,
    deployment,
    tariffUrl: place.tariffUrl,
    adminToken,
    tariffSigners: [place.tariffSigner],
    usageAuthLifetimeSeconds: 600,
    shutdownGraceMs: 500,
    upstreamTimeoutMs: 2_000,
    providerConnections: 1_024,
    revocationPollMs: 100,
    chainMaxAgeMs: 4_000,
    answerTtlMs: 3_600_000,
    rateLimits: { perIpPerMinute: 100_000, perJobPerMinute: 100_000, quotesPerMinute: 100_000 },
    tls: staticTls(place.certificate),
    release: { perMinute: 0, marginSeconds: 60 },
    call: {
      deadlineMs: 10_000,
      reportWaitMs: 1_000,
      idempotencyWaitMs: 1_000,
      maxAnswerBytes: 1_000_000,
      maxStoredBytes: 100_000,
    },
  };
}

/** A gateway on real TLS and PostgreSQL, with a chain in memory and a provider that the test controls. */
export async function startHarness(
  settings: Partial<GatewaySettings> = {},
  chatReports: "inline" | "emit" | "none" = "inline",
  redisUrl?: string,
) {
  const database: TestDatabase = await startTestDatabase();
  // The gateway runs as it should in production; the tests' own pool is the owner's, who may do anything.
  const runtimeUrl = Object.assign(new URL(database.url), {
    username: "gateway_runtime",
    password: "runtime",
  }).href;
  await prepareStore({ databaseUrl: runtimeUrl, migrationUrl: database.url });
  const pool = createPool({ url: database.url, max: 5, onIdleError: () => undefined });
  const runtimePool = createPool({ url: runtimeUrl, max: 20, onIdleError: () => undefined });
  const chain = new FakeChain(domains);
  for (const tariff of [chatTariff, embeddingTariff]) {
    chain.tariffHashes.set(`${tariff.providerId}/${tariff.version}`, Tariff.hash(tariff));
    chain.signingKeys.set(tariff.providerId, Wire.privateKeyToAddress(providerKey));
  }
  const provider = new TestProvider();
  const providerUrl = await provider.start();
  const tariffServer = await serveTariffs();
  const certificate = await makeCertificate();
  const peerKey = PrivateKey.generate("Ed25519");
  const peerPublicKey = createPublicKey(peerKey).export({ format: "jwk" }).x ?? "";

  const port = await freePort();
  const url = `${settings.tls === null ? "http" : "https"}://127.0.0.1:${port}`;
  const place: GatewayPlace = {
    url,
    tariffUrl: tariffServer.url,
    certificate,
    gatewayPrivateKey: gatewayKey,
    tariffSigner: Wire.privateKeyToAddress(tariffKey),
  };
  const broadcast = createBroadcast({
    databaseUrl: runtimeUrl,
    redisUrl,
    namespace: gatewayAddress,
    onError: () => undefined,
  });
  const metricsOf: Metrics[] = [];
  /** Waits until every answer so far is charged, but for at most a second. */
  const charged = async (): Promise<void> => {
    const pending = async (): Promise<number> => {
      const gauges = metricsOf.map(({ registry }) =>
        registry.getSingleMetric("gateway_pending_charges")?.get(),
      );
      const values = (await Promise.all(gauges)).flatMap((gauge) => gauge?.values ?? []);
      return values.reduce((sum, { value }) => sum + value, 0);
    };
    for (const endsAt = performance.now() + 1_000; performance.now() < endsAt; await sleep(1))
      if ((await pending()) === 0) return;
  };
  const make = (
    overrides: Partial<GatewaySettings> = {},
    onPool: Pool = runtimePool,
    logger = createLogger({ service: "gateway", level: process.env.LOG_LEVEL ?? "silent" }),
    onBroadcast: Broadcast = broadcast,
  ): Promise<Gateway> => {
    const metrics = createMetrics({ service: "gateway", processMetrics: false });
    metricsOf.push(metrics);
    return createGateway(
      {
        ...settingsOf(place),
        ...settings,
        ...overrides,
      },
      {
        pool: onPool,
        chain,
        broadcast: onBroadcast,
        providers: [
          { providerId: 1, baseUrl: providerUrl, apiKey: "provider-secret", reportsUsage: chatReports },
          { providerId: 2, baseUrl: providerUrl, apiKey: "provider-secret", reportsUsage: "emit" },
        ],
        peers: new Map<string, KeyObject>([["1", PeerAuth.enrol(peerPublicKey)]]),
        logger,
        metrics,
      },
    );
  };
  const gateway = await make();
  await gateway.start();
  await gateway.app.listen({ host: "127.0.0.1", port });
  const callers: TestCaller[] = [];

  const caller = async (
    holder = HolderKey.generate(),
    connection: CallerConnection = {},
  ): Promise<TestCaller> => {
    const opened = await new TestCaller(url, certificate.cert, holder, connection, charged).open();
    callers.push(opened);
    return opened;
  };

  return {
    pool,
    chain,
    provider,
    gateway,
    url,
    place,
    providerUrl,
    certificate,
    peerKey,
    makeGateway: make,
    databaseUrl: runtimeUrl,
    runtimePool,
    /** Starts one more replica; gives where it listens. */
    startReplica: async (
      replicaId: string,
      onPool: Pool = runtimePool,
      logger?: ReturnType<typeof createLogger>,
      onBroadcast?: Broadcast,
    ): Promise<{ replica: Gateway; connectUrl: string }> => {
      const replica = await make({ replicaId }, onPool, logger, onBroadcast);
      await replica.start();
      return { replica, connectUrl: await replica.app.listen({ host: "127.0.0.1", port: 0 }) };
    },
    caller,
    charged,
    /** Locks a job and gives its token. */
    openJob: (options: JobOptions = {}) => openJob(chain, caller, options),
    audit: (jobId: Hex) => auditJob(pool, jobId),
    reset: () => {
      provider.answer = answerUsual;
      provider.received.length = 0;
      chain.isDown = false;
      chain.refusesRevocations = null;
    },
    stop: async () => {
      await Promise.all(callers.map((opened) => opened.close()));
      await gateway.app.close();
      await gateway.stop();
      await provider.stop();
      tariffServer.server.close();
      await broadcast.close();
      await runtimePool.end();
      await pool.end();
      await database.stop();
    },
  };
}

async function openJob(chain: FakeChain, caller: () => Promise<TestCaller>, options: JobOptions) {
  const by = await caller();
  const tenantKey = options.tenantKey ?? hex32();
  const grant = makeGrant(by.holder.jwk, tenantKey, options);
  options.alter?.(grant);
  chain.balances.set(grant.capability.tenant, 1_000_000_000n);
  const body = {
    ...grantBody(grant),
    ...(options.owner === undefined ? {} : { owner: options.owner }),
  };
  const answer = await by.send({ path: "/v1/jobs/lock", body });
  const parsed = JSON.parse(answer.text) as { usageAuth: string };
  return {
    by,
    grant,
    body,
    answer,
    jobId: grant.capability.jobId,
    token: parsed.usageAuth,
    /** A chat call with a limit of 20 output tokens unless told otherwise. */
    chat: (extra: Record<string, unknown> = {}) => ({
      path: "/v1/chat/completions",
      body: { model: "chat-1", messages: [{ role: "user", content: "hello" }], max_tokens: 20, ...extra },
      token: parsed.usageAuth,
      maxCostNano: 10_000n,
    }),
  };
}
