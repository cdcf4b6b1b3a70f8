import { createPublicKey, type KeyObject } from "node:crypto";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
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
import { startTestDatabase, type TestDatabase } from "@tac/kit/testing";
import {
  Capability,
  Deployment,
  HolderKey,
  PeerAuth,
  Plan,
  PrivateKey,
  Quote,
  Tariff,
  Wire,
} from "@tac/protocol";
import type { Address, Hex } from "viem";
import { createGateway, type Gateway, type GatewaySettings } from "../../src/createGateway.ts";
import { auditJob } from "../../src/ledger/auditJob.ts";
import { prepareStore } from "../../src/ledger/prepareStore.ts";
import { makeCertificate } from "./certificates.ts";
import { FakeChain } from "./FakeChain.ts";
import { hex32 } from "./hex32.ts";
import { type CallerConnection, TestCaller } from "./TestCaller.ts";
import { answerUsual, TestProvider } from "./TestProvider.ts";

const prices = { cachedInputTokensNano: 0n, requestsNano: 0n, durationMsNano: 0n };
/** One nanocredit a token, in and out, so that costs can be read as token counts. */
const perToken = {
  ...prices,
  inputTokensNano: 1_000_000n,
  cachedInputTokensNano: 500_000n,
  outputTokensNano: 1_000_000n,
};

export const chatTariff: Tariff.Tariff = {
  providerId: 1,
  version: 1,
  currency: "CREDIT",
  effectiveFromMs: 0,
  models: [
    { model: "chat-1", kind: "chat", prices: perToken, contextTokens: 100_000n, maxOutputTokens: 1_000n },
    { model: "chat-other", kind: "chat", prices: perToken, contextTokens: 100_000n, maxOutputTokens: 1_000n },
  ],
};
export const embeddingTariff: Tariff.Tariff = {
  providerId: 2,
  version: 1,
  currency: "CREDIT",
  effectiveFromMs: 0,
  models: [
    { model: "embed-1", kind: "embeddings", prices: perToken, contextTokens: 8_000n, maxOutputTokens: 0n },
  ],
};

export const plan: Plan.Plan = {
  steps: [
    {
      id: "chat",
      kind: "chat",
      model: "chat-1",
      maxInputTokens: 10_000n,
      maxOutputTokens: 500n,
      maxCalls: 1_000,
    },
    {
      id: "embed",
      kind: "embeddings",
      model: "embed-1",
      maxInputTokens: 1_000n,
      maxOutputTokens: 0n,
      maxCalls: 10,
    },
  ],
};

const address = (byte: string): Address => `0x${byte.repeat(20)}`;
export const deployment: Deployment.Deployment = {
  chainId: 31_337,
  startBlock: 1n,
  asset: address("01"),
  creditToken: address("02"),
  creditVault: address("03"),
  providerRegistry: address("04"),
  usageReceipts: address("05"),
  settlementTreasury: address("06"),
  paramGovernor: address("07"),
  capabilityAuthority: address("08"),
  sessionChannels: address("09"),
};
export const domains = Deployment.domains(deployment);
export const gatewayKey = hex32();
export const gatewayAddress = Wire.privateKeyToAddress(gatewayKey);
export const tariffKey = hex32();
export const providerKey = hex32();
export const adminToken = hex32();

export type Harness = Awaited<ReturnType<typeof startHarness>>;

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

  const port = await freePortOf();
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
  /** Waits until every answer so far is charged, or no charge has been made for a while. */
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

export type JobOptions = {
  maxSpendNano?: bigint;
  countersigned?: boolean;
  binding?: number;
  expiresInSeconds?: number;
  tenantKey?: Hex;
  owner?: { team?: string; user?: string };
  alter?: (grant: ReturnType<typeof makeGrant>) => void;
};

export function makeGrant(holder: HolderKey.Jwk, tenantKey: Hex, options: JobOptions = {}) {
  const tenant = Wire.privateKeyToAddress(tenantKey);
  const now = BigInt(Math.floor(Date.now() / 1000));
  const tariffs = [chatTariff, embeddingTariff].map((tariff) => ({
    providerId: tariff.providerId,
    version: tariff.version,
    tariffHash: Tariff.hash(tariff),
  }));
  const steps = plan.steps.map((step, index) => {
    const tariff = index === 0 ? chatTariff : embeddingTariff;
    const model = Tariff.findModel(tariff, step.model);
    if (model === undefined) throw new Error("no such model");
    return {
      ...step,
      providerId: tariff.providerId,
      tariffHash: Tariff.hash(tariff),
      ceilingNano: Plan.stepCeilingNano(step, model.prices),
    };
  });
  const quote: Quote.Quote = {
    tenant,
    gateway: gatewayAddress,
    planHash: Quote.planHash(plan),
    tariffsHash: Quote.tariffsHash(tariffs),
    ceilingNano: steps.reduce((sum, { ceilingNano }) => sum + ceilingNano, 0n),
    issuedAt: now,
    expiresAt: now + 300n,
    nonce: hex32(),
  };
  const salt = hex32();
  const capability: Capability.Capability = {
    tenant,
    jobId: Capability.jobId(tenant, salt),
    quoteHash: Quote.hash(quote, domains.quote),
    maxSpendNano: options.maxSpendNano ?? 100_000n,
    holder: HolderKey.thumbprint(holder),
    binding: options.binding ?? Capability.BINDING_EXPORTER,
    countersigned: options.countersigned ?? false,
    validAfter: now - 10n,
    expiresAt: now + BigInt(options.expiresInSeconds ?? 3_600),
    salt,
  };
  return { quote, tariffs, steps, capability, tenantKey, jwk: holder };
}

export function grantBody({
  quote,
  tariffs,
  steps,
  capability,
  tenantKey,
  jwk,
}: ReturnType<typeof makeGrant>) {
  const signature = Quote.sign(quote, domains.quote, tariffKey);
  const signer = Wire.privateKeyToAddress(tariffKey);
  return {
    signedQuote: Quote.signedToJson({ quote, signature, signer, plan, tariffs, steps }),
    capability: Capability.toJson(capability),
    capabilitySignature: Capability.sign(capability, domains.capability, tenantKey),
    jwk,
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

async function serveTariffs(): Promise<{ url: string; server: Server }> {
  const published = [chatTariff, embeddingTariff].map((tariff) => ({
    tariff: Tariff.toJson(tariff),
    tariffHash: Tariff.hash(tariff),
  }));
  const server = createServer((request, response) => {
    const hash = request.url?.split("/")[3];
    const found =
      hash === undefined ? { tariffs: published } : published.find(({ tariffHash }) => tariffHash === hash);
    response
      .writeHead(found ? 200 : 404, { "content-type": "application/json" })
      .end(JSON.stringify(found ?? {}));
  });
  return { url: `http://127.0.0.1:${await listen(server)}`, server };
}

async function freePortOf(): Promise<number> {
  const server = createServer();
  const port = await listen(server);
  server.close();
  await once(server, "close");
  return port;
}

async function listen(server: Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const bound = server.address();
  if (bound === null || typeof bound === "string") throw new Error("no port");
  return bound.port;
}
