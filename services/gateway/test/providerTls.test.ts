import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type App, createApp, createLogger, createMetrics, staticTls, type TlsSource } from "@tac/kit";
import { type Authority, createAuthority, type LeafRequest } from "@tac/kit/development";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Interruption } from "../src/call/Interruption.ts";
import { readConfig } from "../src/config.ts";
import { openProviderTls } from "../src/upstream/openProviderTls.ts";
import { loadProviders, type Provider } from "../src/upstream/Provider.ts";
import { ProviderPool } from "../src/upstream/ProviderPool.ts";

const lifetimeMs = 3_600_000;
const logger = createLogger({ service: "gateway", level: "silent" });
const newMetrics = () => createMetrics({ service: "gateway", processMetrics: false });
const clientLeaf: LeafRequest = {
  commonName: "gateway",
  uses: ["client"],
  names: ["urn:tac:gateway:0xab"],
  lifetimeMs,
};
const dir = mkdtempSync(join(tmpdir(), "tac-providers-"));
const write = (name: string, text: string): string => {
  writeFileSync(join(dir, name), text);
  return join(dir, name);
};

describe("a provider that demands mutual TLS", () => {
  let authority: Authority;
  let app: App;
  let provider: Provider;
  beforeAll(async () => {
    authority = await createAuthority("test", lifetimeMs);
    const pair = await authority.issue({
      commonName: "provider",
      uses: ["server"],
      names: ["urn:tac:provider:7"],
      lifetimeMs,
    });
    app = createApp({
      service: "provider",
      logger,
      metrics: newMetrics(),
      tls: { source: staticTls({ ...pair, ca: authority.cert }), clients: "require" },
    });
    app.post("/v1/embeddings", async () => ({ served: true }));
    const baseUrl = await app.listen({ host: "127.0.0.1", port: 0 });
    const caFile = write("ca.pem", authority.cert);
    provider = { providerId: 7, baseUrl, apiKey: "k", reportsUsage: "none", mutualTls: { caFile } };
  });
  afterAll(() => app.close());

  const call = async (to: Provider, source: TlsSource | null): Promise<number> => {
    const pool = new ProviderPool(
      [to],
      { timeoutMs: 3_000, connections: 8 },
      new Map(source === null ? [] : [[to.providerId, source]]),
    );
    try {
      const { status, body } = await pool.send({
        providerId: to.providerId,
        path: "/v1/embeddings",
        body: "{}",
        headers: {},
        interruption: new Interruption(),
      });
      await body.dump();
      return status;
    } finally {
      await pool.close();
    }
  };
  const sourceOf = async (by: Authority, ca = authority.cert): Promise<TlsSource> =>
    staticTls({ ...(await by.issue(clientLeaf)), ca });

  test("is reached with the gateway's certificate", async () => {
    expect(await call(provider, await sourceOf(authority))).toBe(200);
  });
  test("is not reached without one, nor with one of another authority", async () => {
    const stranger = await createAuthority("test", lifetimeMs);
    const refused = { code: "provider_error" };
    await expect(call(provider, staticTls({ ca: authority.cert }))).rejects.toMatchObject(refused);
    await expect(call(provider, await sourceOf(stranger))).rejects.toMatchObject(refused);
  });
  test("is not mistaken for another provider on the same host", async () => {
    const other: Provider = { ...provider, providerId: 8 };
    await expect(call(other, await sourceOf(authority))).rejects.toMatchObject({ code: "provider_error" });
  });
  test("gets nothing when it shows a certificate of an authority we do not trust", async () => {
    const stranger = await createAuthority("test", lifetimeMs);
    const source = await sourceOf(authority, stranger.cert);
    await expect(call(provider, source)).rejects.toMatchObject({ code: "provider_error" });
  });
  test("cannot be configured without the gateway's own certificate", () => {
    const settings = { TLS_POLL_MS: 1_000 };
    expect(() => openProviderTls([provider], settings, { logger, metrics: newMetrics() })).toThrow(
      /TLS_CLIENT_CERT_FILE/,
    );
  });
});

describe("PROVIDERS_FILE", () => {
  const entry = { providerId: 1, baseUrl: "http://127.0.0.1:1", apiKey: "k", reportsUsage: "none" };
  const load = (changes: object, allowsPlain = false) =>
    loadProviders(write("providers.json", JSON.stringify([{ ...entry, ...changes }])), { allowsPlain });

  test("takes https, and plain HTTP only by a word that says unsafe", () => {
    expect(load({ baseUrl: "https://api.openai.com/v1" })[0]?.baseUrl).toBe("https://api.openai.com");
    expect(() => load({})).toThrow(/provider 1 has no https URL; UNSAFE_PLAIN_PROVIDERS=1/);
    expect(load({ unsafePlainHttp: true })).toHaveLength(1);
    expect(load({}, true)).toHaveLength(1);
  });
  test("refuses TLS settings on a URL without TLS, and unknown fields", () => {
    expect(() => load({ unsafePlainHttp: true, mutualTls: { caFile: "ca.pem" } })).toThrow(/without TLS/);
    expect(() => load({ baseUrl: "https://a.example", rejectUnauthorized: false })).toThrow();
  });
});

describe("the gateway's TLS settings", () => {
  const deployment = Object.fromEntries(
    [
      "asset",
      "creditToken",
      "creditVault",
      "providerRegistry",
      "usageReceipts",
      "settlementTreasury",
      "paramGovernor",
      "capabilityAuthority",
      "sessionChannels",
    ].map((name) => [name, `0x${"01".repeat(20)}`]),
  );
  const env = {
    PUBLIC_URL: "https://gateway.example",
    DATABASE_URL: "postgres://a:b@127.0.0.1:1/c",
    RPC_URLS: "http://127.0.0.1:1",
    DEPLOYMENT_FILE: write("addresses.json", JSON.stringify({ chainId: 1, startBlock: "1", ...deployment })),
    GATEWAY_PRIVATE_KEY: `0x${"11".repeat(32)}`,
    TARIFF_URL: "http://127.0.0.1:1",
    TARIFF_SIGNERS: `0x${"22".repeat(20)}`,
    PROVIDERS_FILE: "providers.json",
    AGGREGATORS_FILE: "aggregators.json",
  };
  test("name the proxies exactly when something before the gateway ends TLS", () => {
    expect(() => readConfig({ ...env, TLS_TERMINATED_UPSTREAM: "1" })).toThrow(/TRUSTED_PROXIES/);
    expect(() => readConfig({ ...env, TRUSTED_PROXIES: "10.0.0.0/8" })).toThrow(/TRUSTED_PROXIES/);
    const both = { ...env, TLS_TERMINATED_UPSTREAM: "1", TRUSTED_PROXIES: "10.0.0.0/8, 192.0.2.1" };
    expect(readConfig(both).TRUSTED_PROXIES).toEqual(["10.0.0.0/8", "192.0.2.1"]);
    expect(() => readConfig({ ...both, TRUSTED_PROXIES: "everyone" })).toThrow(/TRUSTED_PROXIES/);
  });
});
