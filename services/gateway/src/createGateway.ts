import { type KeyObject, randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { App, Broadcast, Logger, Metrics, Pool, TlsSource } from "@tac/kit";
import { Deployment, Wire } from "@tac/protocol";
import type { Address, Hex } from "viem";
import { buildApp } from "./app.ts";
import { Authenticator, PROOF_MEMORY_MS } from "./auth/Authenticator.ts";
import { NonceIssuer } from "./auth/NonceIssuer.ts";
import { CallService, type CallSettings } from "./call/CallService.ts";
import { DeferredCharges } from "./call/DeferredCharges.ts";
import { Replica } from "./call/Replica.ts";
import { RunningCalls } from "./call/RunningCalls.ts";
import { type Recovered, recoverCalls } from "./call/recoverCalls.ts";
import { UsageReports } from "./call/UsageReports.ts";
import type { ChainPort } from "./chain/ChainPort.ts";
import { JobWatcher } from "./chain/JobWatcher.ts";
import { FeedWriter } from "./feed/FeedWriter.ts";
import { ensureHead } from "./feed/feedStore.ts";
import { JobStore } from "./jobs/JobStore.ts";
import { TariffStore } from "./jobs/TariffStore.ts";
import { HoldBatcher } from "./ledger/HoldBatcher.ts";
import { LockKeeper, type ReleaseSettings } from "./release/LockKeeper.ts";
import { ReleaseStore } from "./release/ReleaseStore.ts";
import { RevocationFeed } from "./revocation/RevocationFeed.ts";
import { RevocationKeeper } from "./revocation/RevocationKeeper.ts";
import { RevocationStore } from "./revocation/RevocationStore.ts";
import { StoreClock } from "./StoreClock.ts";
import type { Provider } from "./upstream/Provider.ts";
import { ProviderPool } from "./upstream/ProviderPool.ts";

export type GatewaySettings = {
  publicUrl: string;
  replicaId: string;
  gatewayPrivateKey: Hex;
  deployment: Deployment.Deployment;
  tariffUrl: string;
  /** Opens the routes that set budgets; null: there are none. */
  adminToken: string | null;
  tariffSigners: readonly Address[];
  usageAuthLifetimeSeconds: number;
  /** How long running calls may go on once closing has begun. */
  shutdownGraceMs: number;
  upstreamTimeoutMs: number;
  /** The most connections to one provider. */
  providerConnections: number;
  revocationPollMs: number;
  chainMaxAgeMs: number;
  /** How long the answer of an idempotency key is kept; the key itself never runs twice. */
  answerTtlMs: number;
  rateLimits: { perIpPerMinute: number; perJobPerMinute: number; quotesPerMinute: number };
  /** Null: plain HTTP. With a bundle of authorities, aggregators must show a certificate that names their key. */
  tls: TlsSource | null;
  /** Somebody else ends the callers' TLS, so that only nonce-bound capabilities work. */
  isTlsTerminatedUpstream?: boolean;
  /** Addresses and CIDR ranges of the proxies whose `x-forwarded-for` is believed. */
  trustedProxies?: readonly string[] | undefined;
  release: ReleaseSettings;
  call: CallSettings;
};

export type GatewayResources = {
  pool: Pool;
  chain: ChainPort;
  /** Reaches every replica over the same database. */
  broadcast: Broadcast;
  providers: readonly Provider[];
  /** What is presented to and trusted of the providers that need more than ordinary TLS, by provider id. */
  providerTls?: ReadonlyMap<number, TlsSource>;
  peers: ReadonlyMap<string, KeyObject>;
  logger: Logger;
  metrics: Metrics;
};

export type Gateway = {
  app: App;
  /** Recovers what earlier runs left behind and begins the background work; to be called before listening. */
  start: () => Promise<Recovered>;
  /** Ends the background work, after the server has stopped listening. */
  stop: () => Promise<void>;
};

const HOUSEKEEPING_MS = 10_000;
const UNREAD_MS = 60_000;
const REVOCATION_BEAT_MS = 500;

/** Puts a gateway together on a migrated database. */
export async function createGateway(
  settings: GatewaySettings,
  resources: GatewayResources,
): Promise<Gateway> {
  const { pool, chain, logger, metrics } = resources;
  const gateway = Wire.privateKeyToAddress(settings.gatewayPrivateKey);
  const identity = {
    gateway,
    gatewayPrivateKey: settings.gatewayPrivateKey,
    domains: Deployment.domains(settings.deployment),
  };
  const bindsConnections = settings.tls !== null && settings.isTlsTerminatedUpstream !== true;
  const clock = new StoreClock(pool);
  const { nowMs } = clock;
  const tariffs = new TariffStore(pool, chain, settings.tariffUrl);
  const jobs = new JobStore(pool, tariffs);
  const feed = new FeedWriter(pool, gateway, nowMs);
  const reports = new UsageReports(pool, chain, identity.domains);
  const running = new RunningCalls();
  const charges = new DeferredCharges(logger);
  const providers = new ProviderPool(
    resources.providers,
    { timeoutMs: settings.upstreamTimeoutMs, connections: settings.providerConnections },
    resources.providerTls,
  );
  const nonces = new NonceIssuer(Wire.fromHex(settings.gatewayPrivateKey, 32));
  const replica = new Replica(pool, settings.replicaId);
  const revocations = new RevocationStore(pool, nowMs);
  const watcher: JobWatcher = new JobWatcher({
    chain,
    jobs,
    nowMs,
    revocations,
    onRevoked: () => revocationFeed.announce(),
    breakOff: (revocation) => running.breakOffRevoked(revocation),
    pool,
    logger,
    settings: { startBlock: settings.deployment.startBlock, pollMs: settings.revocationPollMs },
  });
  const revocationFeed = new RevocationFeed({
    store: revocations,
    broadcast: resources.broadcast,
    chainReadAtMs: () => watcher.readAtMs(),
    nowMs,
    logger,
    settings: {
      nodeId: randomUUID(),
      beatMs: REVOCATION_BEAT_MS,
      maxAgeMs: settings.chainMaxAgeMs,
    },
  });
  const keeper = new RevocationKeeper({ store: revocations, chain, feed, pool, nowMs, logger });
  const releasedCount = metrics.counter(
    "gateway_locks_released_total",
    "Expired locks whose rest this process gave back to its tenant",
  );
  const lockKeeper = new LockKeeper({
    store: new ReleaseStore(pool),
    chain,
    logger,
    onReleased: () => releasedCount.inc(),
    settings: settings.release,
  });
  const authMs = metrics.histogram("auth_verify_ms", "Time to verify token and proof, in milliseconds", [
    "outcome",
  ]);
  const acceptedMs = authMs.labels("accepted");
  const refusedMs = authMs.labels("refused");
  metrics.observedGauge(
    "gateway_revocations",
    "Revoked capabilities that have not expired",
    () => revocationFeed.size,
  );
  metrics.observedGauge(
    "gateway_revocations_age_ms",
    "How old the list of revocations is, in milliseconds",
    () => nowMs() - revocationFeed.completeAtMs(),
  );
  metrics.observedGauge("gateway_open_holds", "Calls with a hold that this process works on", () =>
    running.count(),
  );
  metrics.observedGauge(
    "gateway_pending_charges",
    "Delivered answers whose charge is not committed yet",
    () => charges.count(),
  );
  const queueDepth = metrics.gauge("queue_depth", "Entries that wait", ["queue"]);
  const chargeDeps = { pool, feed, reports, logger, ...identity };
  const assertRevocationsFresh = () => revocationFeed.assertFresh();
  const calls = new CallService({
    ...chargeDeps,
    holds: new HoldBatcher(pool, { owner: replica.incarnation, proofMemoryMs: PROOF_MEMORY_MS, nowMs }),
    charges,
    running,
    providers,
    settings: settings.call,
    isKnownModel: (model) => tariffs.hasModel(model),
    assertRevocationsFresh,
  });
  const app = await buildApp({
    identity,
    pool,
    nowMs,
    chain,
    jobs,
    tariffs,
    revocations,
    revocationFeed,
    feed,
    reports,
    calls,
    charges,
    running,
    providers,
    nonces,
    authenticator: new Authenticator({
      publicUrl: settings.publicUrl,
      bindsConnections,
      gateway,
      nowMs,
      nonces,
      jobs,
      isRevoked: (jobId) => revocationFeed.isRevoked(jobId),
      observeMs: (durationMs, isAccepted) => (isAccepted ? acceptedMs : refusedMs).observe(durationMs),
    }),
    logger,
    metrics,
    assertRevocationsFresh,
    peers: resources.peers,
    tariffSigners: settings.tariffSigners,
    tariffUrl: settings.tariffUrl,
    adminToken: settings.adminToken,
    usageAuthLifetimeSeconds: settings.usageAuthLifetimeSeconds,
    shutdownGraceMs: settings.shutdownGraceMs,
    rateLimits: settings.rateLimits,
    tls: settings.tls,
    bindsConnections,
    trustedProxies: settings.trustedProxies ?? [],
  });

  // No call is silent for longer; whoever stops reading would hold the rest of an answer in memory for ever.
  app.server.timeout = settings.call.deadlineMs + UNREAD_MS;

  const stopping = new AbortController();
  const recover = () => recoverCalls({ ...chargeDeps, replica, running, charges, jobs, tariffs });
  const housekeeping = async (): Promise<void> => {
    await clock.sample();
    await replica.renew();
    await recover();
    // By the store's clock, just read, which also wrote these times: a replica whose own clock jumps must forget nothing early.
    // Given as a number, because the store's function would be asked anew for each row, and no index would serve.
    await pool.query("DELETE FROM used_proofs WHERE expires_at_ms < $1::bigint", [nowMs()]);
    // Answers hold what tenants asked for, and are kept no longer than a retry may come.
    await pool.query("DELETE FROM answers WHERE stored_at_ms < $1::bigint", [nowMs() - settings.answerTtlMs]);
    queueDepth.set({ queue: "revocation_tasks" }, await revocations.openTaskCount());
    await tariffs.refresh();
  };
  let ended: Promise<void> = Promise.resolve();
  const keepHouse = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      await housekeeping().catch((error: unknown) => logger.warn({ err: error }, "housekeeping failed"));
      await sleep(HOUSEKEEPING_MS, undefined, { signal: stopping.signal }).catch((error: unknown) => {
        if (!stopping.signal.aborted) throw error;
      });
    }
  };

  return {
    app,
    start: async () => {
      await clock.sample();
      await ensureHead(pool, gateway);
      await replica.renew();
      const recovered = await recover();
      await revocationFeed.start();
      watcher.start();
      keeper.start();
      lockKeeper.start();
      ended = keepHouse();
      return recovered;
    },
    stop: async () => {
      stopping.abort();
      await charges.end();
      await Promise.all([ended, watcher.stop(), keeper.stop(), lockKeeper.stop()]);
      await revocationFeed.stop();
      await providers.close();
      await replica.release();
    },
  };
}
