import type { X509Certificate } from "node:crypto";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { connect } from "node:tls";
import { Pool } from "undici";
import { afterEach, describe, expect, test } from "vitest";
import { type Authority, createAuthority, type LeafRequest } from "../src/development/index.ts";
import {
  createApp,
  createLogger,
  createMetrics,
  TlsDispatcher,
  TlsMaterialError,
  type TlsSource,
  watchTls,
} from "../src/index.ts";
import { tlsFiles } from "./support/tlsFiles.ts";

const hourMs = 3_600_000;
const leaf = (commonName: string, lifetimeMs: number): LeafRequest => ({
  commonName,
  uses: ["server", "client"],
  names: [`urn:tac:${commonName}`],
  lifetimeMs,
});
const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const logger = createLogger({ service: "under-test", level: "silent" });
const newMetrics = () => createMetrics({ service: "under-test", processMetrics: false });

const watched = (files: ReturnType<typeof tlsFiles>, metrics = newMetrics()): TlsSource => {
  const source = watchTls(files, { logger, metrics, certificate: "server", pollMs: 200, debounceMs: 20 });
  closers.push(source.close);
  return source;
};

/** A server and a client on files of their own that send each other a call after the other. */
const startTraffic = async (authority: Authority, lifetimeMs: number) => {
  const serverFiles = tlsFiles();
  const clientFiles = tlsFiles();
  const issue = async (by: Authority): Promise<void> => {
    serverFiles.writePair(await by.issue(leaf("server", lifetimeMs)));
    clientFiles.writePair(await by.issue(leaf("client", lifetimeMs)));
  };
  for (const files of [serverFiles, clientFiles]) files.writeBundle(authority.cert);
  await issue(authority);
  const metrics = newMetrics();
  const app = createApp({
    service: "under-test",
    logger,
    metrics,
    tls: { source: watched(serverFiles, metrics), clients: "require" },
  });
  const seen = new Set<string>();
  app.get("/v1/slow", async () => {
    await sleep(20);
    return "served";
  });
  const origin = await app.listen({ host: "127.0.0.1", port: 0 });
  closers.push(() => app.close());
  const dispatcher = new TlsDispatcher({
    source: watched(clientFiles),
    serverName: "urn:tac:server",
    create: (connect) => new Pool(origin, { connect, connections: 4 }),
  });
  closers.push(() => dispatcher.close());
  app.server.on("secureConnection", (socket) => {
    seen.add(String((socket.getPeerX509Certificate() as X509Certificate).serialNumber));
  });
  let calls = 0;
  let isOver = false;
  const call = async (): Promise<void> => {
    const { statusCode, body } = await dispatcher.request({ origin, method: "GET", path: "/v1/slow" });
    expect([statusCode, await body.text()]).toEqual([200, "served"]);
    calls += 1;
  };
  const running = Promise.all(
    [1, 2, 3, 4].map(async () => {
      while (!isOver) await call();
    }),
  );
  // Without this, a failure before `stop` would be an unhandled rejection.
  running.catch(() => undefined);
  return {
    issue,
    metrics,
    setBundle: (...authorities: Authority[]) => {
      for (const files of [serverFiles, clientFiles])
        files.writeBundle(...authorities.map(({ cert }) => cert));
    },
    /** A call on a connection of its own, with a new certificate of the given authority. */
    callAs: async (by: Authority): Promise<number> => {
      const pair = await by.issue(leaf("client", hourMs));
      const pool = new Pool(origin, { connect: { ...pair, rejectUnauthorized: false } });
      closers.push(() => pool.destroy());
      return (await pool.request({ method: "GET", path: "/livez" })).statusCode;
    },
    /** Serial numbers of the clients' certificates the server has met. */
    certificatesSeen: () => seen.size,
    stop: async (): Promise<number> => {
      isOver = true;
      await running;
      return calls;
    },
  };
};

describe("certificates that live for seconds", () => {
  test("are exchanged under traffic without a failed call, again and again", async () => {
    const authority = await createAuthority("test", hourMs);
    const traffic = await startTraffic(authority, 10_000);
    for (let rotation = 1; rotation <= 5; rotation += 1) {
      await sleep(1_500);
      await traffic.issue(authority);
      await expect.poll(traffic.certificatesSeen, { timeout: 8_000, interval: 20 }).toBe(rotation + 1);
    }
    expect(await traffic.stop()).toBeGreaterThan(100);
    const { values } = (await traffic.metrics.registry
      .getSingleMetric("tls_certificate_expires_seconds")
      ?.get()) ?? { values: [] };
    expect(values[0]?.value).toBeGreaterThan(Date.now() / 1_000);
  });

  test("may come from a new authority, once both are trusted; the old one is then trusted no more", async () => {
    const old = await createAuthority("old", hourMs);
    const next = await createAuthority("next", hourMs);
    const traffic = await startTraffic(old, hourMs);
    traffic.setBundle(old, next);
    await sleep(600);
    await traffic.issue(next);
    await sleep(600);
    traffic.setBundle(next);
    await sleep(600);
    expect(await traffic.stop()).toBeGreaterThan(50);
    await expect(traffic.callAs(next)).resolves.toBe(200);
    await expect(traffic.callAs(old)).rejects.toThrow();
  });
});

describe("a session ticket", () => {
  test("is good until the server's certificate changes", async () => {
    const authority = await createAuthority("test", hourMs);
    const files = tlsFiles();
    files.writeBundle(authority.cert);
    files.writePair(await authority.issue(leaf("server", hourMs)));
    const source = watched(files);
    const app = createApp({
      service: "under-test",
      logger,
      metrics: newMetrics(),
      tls: { source, clients: "request" },
    });
    closers.push(() => app.close());
    const { port } = new URL(await app.listen({ host: "127.0.0.1", port: 0 }));
    const open = (session?: Buffer) =>
      connect({
        host: "127.0.0.1",
        port: Number(port),
        ca: authority.cert,
        ...(session === undefined ? {} : { session }),
      });
    const isResumed = async (session: Buffer): Promise<boolean> => {
      const socket = open(session);
      await once(socket, "secureConnect");
      const reused = socket.isSessionReused();
      socket.destroy();
      return reused;
    };
    const first = open();
    const [session] = (await once(first, "session")) as [Buffer];
    first.destroy();
    expect(await isResumed(session)).toBe(true);
    const { version } = source.current();
    files.writePair(await authority.issue(leaf("server", hourMs)));
    await expect.poll(() => source.current().version, { timeout: 3_000 }).not.toBe(version);
    expect(await isResumed(session)).toBe(false);
  });
});

describe("files that do not fit together", () => {
  const broken: [string, (files: ReturnType<typeof tlsFiles>, authority: Authority) => Promise<void>][] = [
    [
      "a certificate with another key",
      async (files, authority) => files.writeCert((await authority.issue(leaf("server", hourMs))).cert),
    ],
    ["half a certificate", async (files) => files.writeCert("-----BEGIN CERTIFICATE-----\nMIIB")],
    [
      "an expired certificate",
      async (files, authority) =>
        files.writePair(await authority.issue({ ...leaf("server", 1_000), issuedAtMs: Date.now() - 5_000 })),
    ],
    ["an empty bundle", async (files) => files.writeBundle("")],
  ];

  test.each(broken)("%s: what was in use stays, and it is counted once", async (_what, spoil) => {
    const authority = await createAuthority("test", hourMs);
    const files = tlsFiles();
    files.writeBundle(authority.cert);
    files.writePair(await authority.issue(leaf("server", hourMs)));
    const metrics = newMetrics();
    const source = watched(files, metrics);
    const before = source.current();
    await spoil(files, authority);
    await sleep(800);
    expect(source.current()).toBe(before);
    const { values } = (await metrics.registry.getSingleMetric("tls_certificate_reloads")?.get()) ?? {
      values: [],
    };
    expect(values.map(({ labels, value }) => [labels.outcome, value])).toEqual([["refused", 1]]);

    files.writeBundle(authority.cert);
    files.writePair(await authority.issue(leaf("server", hourMs)));
    await expect.poll(() => source.current().version, { timeout: 3_000 }).not.toBe(before.version);
  });

  test("keep a service from starting", () => {
    const files = tlsFiles();
    expect(() => watchTls(files, { logger, metrics: newMetrics(), certificate: "server" })).toThrow(
      TlsMaterialError,
    );
  });
});
