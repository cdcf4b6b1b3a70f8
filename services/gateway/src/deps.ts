import type { KeyObject } from "node:crypto";
import type { Logger, Metrics, Pool, TlsSource } from "@tac/kit";
import type { Deployment } from "@tac/protocol";
import type { Address, Hex } from "viem";
import type { Authenticator } from "./auth/Authenticator.ts";
import type { NonceIssuer } from "./auth/NonceIssuer.ts";
import type { CallService } from "./call/CallService.ts";
import type { DeferredCharges } from "./call/DeferredCharges.ts";
import type { RunningCalls } from "./call/RunningCalls.ts";
import type { UsageReports } from "./call/UsageReports.ts";
import type { ChainPort } from "./chain/ChainPort.ts";
import type { FeedWriter } from "./feed/FeedWriter.ts";
import type { JobStore } from "./jobs/JobStore.ts";
import type { TariffStore } from "./jobs/TariffStore.ts";
import type { RevocationFeed } from "./revocation/RevocationFeed.ts";
import type { RevocationStore } from "./revocation/RevocationStore.ts";
import type { NowMs } from "./StoreClock.ts";
import type { ProviderPool } from "./upstream/ProviderPool.ts";

export type Identity = { gateway: Address; gatewayPrivateKey: Hex; domains: Deployment.Domains };

/** What the routes are built from. */
export type Deps = {
  identity: Identity;
  pool: Pool;
  /** The store's clock, which all replicas share. */
  nowMs: NowMs;
  chain: ChainPort;
  jobs: JobStore;
  tariffs: TariffStore;
  revocations: RevocationStore;
  revocationFeed: RevocationFeed;
  feed: FeedWriter;
  reports: UsageReports;
  calls: CallService;
  charges: DeferredCharges;
  running: RunningCalls;
  providers: ProviderPool;
  authenticator: Authenticator;
  nonces: NonceIssuer;
  logger: Logger;
  metrics: Metrics;
  /** Throws `revocations_unavailable` or `chain_unavailable` when revocations may have been missed. */
  assertRevocationsFresh: () => void;
  /** Ed25519 keys of the enrolled aggregators, by node id. */
  peers: ReadonlyMap<string, KeyObject>;
  tariffSigners: readonly Address[];
  tariffUrl: string;
  /** Opens the routes that set budgets; null: there are none. */
  adminToken: string | null;
  usageAuthLifetimeSeconds: number;
  /** How long running calls may go on once closing has begun; then they end with what was delivered. */
  shutdownGraceMs: number;
  rateLimits: { perIpPerMinute: number; perJobPerMinute: number; quotesPerMinute: number };
  /** Null: plain HTTP. With a bundle of authorities, aggregators must show a certificate that names their key. */
  tls: TlsSource | null;
  /** False: callers' TLS does not end here, so that a capability cannot be bound to their connections. */
  bindsConnections: boolean;
  /** Proxies whose `x-forwarded-for` is believed. */
  trustedProxies: readonly string[];
};
