import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type App,
  CertificateNameError,
  certificateNames,
  createLogger,
  createMetrics,
  staticTls,
} from "@tac/kit";
import { type Authority, createAuthority, type LeafRequest } from "@tac/kit/development";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { buildApp } from "./app.ts";
import { httpDkgPeer } from "./dkg/httpPeer.ts";
import { openCeremony } from "./dkg/openCeremony.ts";
import { ceremonyOperator } from "./dkg/routes.ts";
import type { AggregatorSet } from "./keys/AggregatorSet.ts";
import { KeyRing } from "./keys/KeyRing.ts";
import { generateNodeKey, type NodeKey } from "./keys/NodeKey.ts";
import { bookOf } from "./keys/SetBook.ts";
import { createShareSeal } from "./keys/ShareSeal.ts";
import { assertSafeUrls } from "./peers/assertSafeUrls.ts";
import { openPeerDispatcher } from "./peers/openPeerDispatcher.ts";
import { signedCall } from "./peers/signedCall.ts";
import { createRuntime, type Runtime, Waiting } from "./Runtime.ts";

const lifetimeMs = 3_600_000;
const folder = mkdtempSync(join(tmpdir(), "tac-app-tls-"));
const nodeKeys: [NodeKey, NodeKey, NodeKey] = [generateNodeKey(), generateNodeKey(), generateNodeKey()];
const set: AggregatorSet = {
  laneId: 0,
  threshold: 2,
  replicas: nodeKeys.map(({ nodePublicKey, encryptionPublicKey }, index) => ({
    id: index + 1,
    url: "https://127.0.0.1:1",
    nodePublicKey,
    encryptionPublicKey,
  })),
};
const [first, second, third] = nodeKeys;

let authority: Authority;
let app: App;
let runtime: Runtime;
let url: string;

const leaf = (name: string): LeafRequest => ({
  commonName: "aggregator",
  uses: ["server", "client"],
  names: [name],
  lifetimeMs,
});
/** Connections to replica 1, showing a certificate with this name, or none. */
const connectionsAs = async (name: string | null, by = authority, to = first) =>
  openPeerDispatcher(
    to,
    staticTls({ ca: authority.cert, ...(name === null ? {} : await by.issue(leaf(name))) }),
  );
const nodeName = ({ nodePublicKey }: NodeKey): string => certificateNames.aggregator(nodePublicKey);

beforeAll(async () => {
  authority = await createAuthority("test", lifetimeMs);
  const logger = createLogger({ service: "test", level: "silent" });
  runtime = createRuntime({
    logger,
    start: async () => {
      throw new Waiting("WaitingForKey");
    },
  });
  const keyFile = join(folder, "share");
  const seal = createShareSeal({ kind: "key-file", text: "5e".repeat(32) });
  const ring = new KeyRing(keyFile, seal);
  const book = bookOf(() => [set]);
  app = buildApp({
    book,
    replica: 1,
    ceremony: openCeremony({ nodeKey: first, book, ring, seal, keyFile, onReady: () => {} }),
    runtime,
    ring,
    logger,
    metrics: createMetrics({ service: "test", processMetrics: false }),
    tls: staticTls({ ...(await authority.issue(leaf(nodeName(first)))), ca: authority.cert }),
  });
  url = await app.listen({ host: "127.0.0.1", port: 0 });
});
afterAll(async () => {
  await app.close();
  await runtime.stop();
  rmSync(folder, { recursive: true, force: true });
});

describe("a message between replicas", () => {
  /** Signed by replica 2, on a connection with the given certificate. */
  const send = async (name: string | null, by = authority): Promise<unknown> => {
    const dispatcher = await connectionsAs(name, by);
    try {
      return await signedCall(
        { peer: "2", nodeKey: second.signing },
        {
          baseUrl: url,
          method: "POST",
          path: "/v1/peer/messages",
          body: {},
          schema: z.unknown(),
          timeoutMs: 5_000,
          dispatcher,
        },
      );
    } finally {
      await dispatcher.destroy();
    }
  };

  test("passes the gate when signature and certificate are of one node", async () => {
    // The gate is passed: what is refused is the empty message behind it.
    await expect(send(nodeName(second))).rejects.toMatchObject({ status: 400 });
  });
  test("is refused without a certificate, with that of another replica, and of another authority", async () => {
    const stranger = await createAuthority("test", lifetimeMs);
    await expect(send(null)).rejects.toMatchObject({ status: 403 });
    await expect(send(nodeName(third))).rejects.toMatchObject({ status: 403 });
    await expect(send(nodeName(second), stranger)).rejects.toMatchObject({ status: 403 });
  });
});

describe("the key ceremony", () => {
  const ask = async (name: string | null, to = first) => {
    const dispatcher = await connectionsAs(name, authority, to);
    try {
      return await httpDkgPeer(url, dispatcher).status();
    } finally {
      await dispatcher.destroy();
    }
  };

  test("answers its operator and the replicas, and nobody else", async () => {
    expect(await ask(ceremonyOperator)).toMatchObject({ replica: 1 });
    expect(await ask(nodeName(third))).toMatchObject({ replica: 1 });
    await expect(ask(null)).rejects.toMatchObject({ status: 403 });
    await expect(ask(certificateNames.gateway("0xab"))).rejects.toMatchObject({ status: 403 });
  });
  test("is not held with a replica that is another than the set says", async () => {
    const failure = await ask(ceremonyOperator, second).catch((error: Error) => error);
    expect((failure as Error).cause).toBeInstanceOf(CertificateNameError);
  });
});

describe("what anyone may read", () => {
  test("needs no certificate", async () => {
    const dispatcher = await connectionsAs(null);
    const { statusCode, body } = await dispatcher.request({ origin: url, method: "GET", path: "/v1/status" });
    expect([statusCode, await body.json()]).toEqual([200, expect.objectContaining({ replica: 1 })]);
    await dispatcher.destroy();
  });
});

test("peers and gateways without https are refused by name", () => {
  const plain = { ...set, replicas: set.replicas.map((entry) => ({ ...entry, url: "http://127.0.0.1:1" })) };
  expect(() => assertSafeUrls(set, [])).not.toThrow();
  expect(() => assertSafeUrls(plain, [])).toThrow(/AGGREGATORS_FILE.*http:\/\/127\.0\.0\.1:1/s);
});
