import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type App, createLogger, createMetrics } from "@tac/kit";
import { freePort, startTestDatabase } from "@tac/kit/testing";
import { Tariff } from "@tac/protocol";
import { buildApp } from "../../src/app.ts";
import { createReplica } from "../../src/createReplica.ts";
import { httpDkgPeer } from "../../src/dkg/httpPeer.ts";
import { openCeremony } from "../../src/dkg/openCeremony.ts";
import { type CeremonyGoal, type GroupKey, runCeremony } from "../../src/dkg/runCeremony.ts";
import { type AggregatorSet, membershipHash } from "../../src/keys/AggregatorSet.ts";
import { KeyRing } from "../../src/keys/KeyRing.ts";
import type { KeyShare } from "../../src/keys/KeyShare.ts";
import { createKeyEpochs } from "../../src/keys/keyEpochs.ts";
import { generateNodeKey, type NodeKey } from "../../src/keys/NodeKey.ts";
import { bookOf } from "../../src/keys/SetBook.ts";
import { createShareSeal } from "../../src/keys/ShareSeal.ts";
import { createRuntime, type Runtime, Waiting } from "../../src/Runtime.ts";
import { createReplicaMetrics, type ReplicaMetrics } from "../../src/replica/ReplicaMetrics.ts";
import type { Replica } from "../../src/replica.ts";
import { TestChain } from "./TestChain.ts";
import { TestGateway } from "./TestGateway.ts";
import { deployment, tariffSigner, tariffs } from "./World.ts";

type Node = { app: App; runtime: Runtime; metrics: ReplicaMetrics; ring: KeyRing };

export type Network = {
  set: AggregatorSet;
  /** Approved by every operator, like NEXT_AGGREGATORS_FILE. */
  next: AggregatorSet | null;
  chain: TestChain;
  gateway: TestGateway;
  /** Starts a replica that is not running, on the store it had. */
  start(id: number): Promise<void>;
  /** Ends a replica: its loops, its HTTP interface, its connections. */
  kill(id: number): Promise<void>;
  replica(id: number): Replica;
  /** False while a replica is down, or starts again with another key. */
  isRunning(id: number): boolean;
  metrics(id: number): ReplicaMetrics;
  ring(id: number): KeyRing;
  keyFile(id: number): string;
  /** The present set with one more node, which has an address but does not run. */
  withNewcomer(threshold: number): Promise<AggregatorSet>;
  ceremony(goal: CeremonyGoal): Promise<GroupKey>;
  url(id: number): string;
  nodeKey(id: number): NodeKey;
  /** Makes a replica use another share from its next start on; null gives it its own again. */
  corruptShare(id: number, share: KeyShare["share"] | null): void;
  stop(): Promise<void>;
};

const FAST = { chainMs: 60, feedMs: 50, deliveryMs: 100 };
const WINDOW_MS = 200;
export const LEADER_TIMEOUT_MS = 1_500;

/** Four replicas with an HTTP interface, a node key, a key share and a PostgreSQL database each. */
export const startNetwork = async ({
  windowMs = WINDOW_MS,
}: {
  windowMs?: number;
} = {}): Promise<Network> => {
  const folder = mkdtempSync(join(tmpdir(), "tac-oracle-"));
  const database = await startTestDatabase();
  const nodeKeys = [1, 2, 3, 4].map(() => generateNodeKey());
  const ports: number[] = [];
  while (ports.length < 4) {
    const port = await freePort();
    if (!ports.includes(port)) ports.push(port);
  }
  const set: AggregatorSet = {
    laneId: 0,
    threshold: 3,
    replicas: nodeKeys.map(({ nodePublicKey, encryptionPublicKey }, index) => ({
      id: index + 1,
      url: `http://127.0.0.1:${ports[index]}`,
      nodePublicKey,
      encryptionPublicKey,
    })),
  };
  const keyFile = (id: number): string => join(folder, `share-${id}`);
  const seal = createShareSeal({ kind: "key-file", text: "5e".repeat(32) });
  let next: AggregatorSet | null = null;
  const book = bookOf(() => (next === null ? [set] : [set, next]));
  const shares = new Map<number, KeyShare["share"]>();
  const nodes = new Map<number, Node>();
  const gateway = new TestGateway();
  let chain: TestChain | null = null;

  const start = async (id: number): Promise<void> => {
    const nodeKey = nodeKeys[id - 1];
    const port = ports[id - 1];
    if (nodeKey === undefined || port === undefined) throw new Error(`no replica ${id}`);
    const logger = createLogger({
      service: "oracle-agg",
      level: process.env.TEST_LOG_LEVEL ?? "silent",
    }).child({ replica: id });
    const metrics = createMetrics({ service: "oracle-agg", processMetrics: false });
    const replicaMetrics = createReplicaMetrics(metrics);
    const databaseUrl = await database.createDatabase(`aggregator_${id}`);
    const ring = new KeyRing(keyFile(id), seal);
    const runtime = createRuntime({
      logger,
      pollMs: 50,
      start: async () => {
        const key = ring.current();
        if (key === null) throw new Waiting("WaitingForKey");
        if (chain === null) throw new Waiting("WaitingForDeployment");
        return createReplica({
          replica: id,
          set: book.find(membershipHash(key.set)) ?? key.set,
          nodeKey,
          key: { ...key, share: shares.get(id) ?? key.share },
          keys: createKeyEpochs({ ring, used: key, renew: () => runtime.renew(), logger }),
          deployment,
          databaseUrl,
          tariffSigners: [tariffSigner.address],
          windowMs,
          leaderTimeoutMs: LEADER_TIMEOUT_MS,
          chain: chain.port(),
          gateways: [gateway.port()],
          tariffs: async (tariffHash) => {
            const found = tariffs.find((tariff) => Tariff.hash(tariff) === tariffHash);
            if (found === undefined) throw new Error(`no tariff ${tariffHash}`);
            return found;
          },
          logger,
          metrics: replicaMetrics,
          cadence: FAST,
          validationThreads: 0,
        });
      },
    });
    const ceremony = openCeremony({ nodeKey, book, ring, seal, keyFile: keyFile(id), onReady: () => {} });
    const app = buildApp({ book, replica: id, ceremony, runtime, ring, logger, metrics });
    await app.listen({ host: "127.0.0.1", port });
    nodes.set(id, { app, runtime, metrics: replicaMetrics, ring });
    if (chain !== null && ring.current() !== null)
      await until(`replica ${id} runs`, () => isRunning(runtime));
  };

  const nodeOf = (id: number): Node => {
    const node = nodes.get(id);
    if (node === undefined) throw new Error(`replica ${id} is not running`);
    return node;
  };
  const kill = async (id: number): Promise<void> => {
    const { app, runtime } = nodeOf(id);
    nodes.delete(id);
    await Promise.all([app.close(), runtime.stop()]);
  };
  const stop = async (): Promise<void> => {
    await Promise.all([...nodes.keys()].map(kill));
    await database.stop();
    rmSync(folder, { recursive: true, force: true });
  };

  const ceremony = (goal: CeremonyGoal): Promise<GroupKey> =>
    runCeremony(goal, ({ url }) => httpDkgPeer(url));

  try {
    for (const { id } of set.replicas) await start(id);
    const key = await ceremony({ set, keyEpoch: 1, from: null });
    chain = new TestChain(key.groupPublicKey);
    chain.enrol(gateway.account.address);
  } catch (error) {
    await stop();
    throw error;
  }
  const network: Network = {
    set,
    get next() {
      return next;
    },
    set next(announced) {
      next = announced;
    },
    chain,
    gateway,
    start,
    kill,
    replica: (id) => nodeOf(id).runtime.replica(),
    isRunning: (id) => nodes.has(id) && isRunning(nodeOf(id).runtime),
    metrics: (id) => nodeOf(id).metrics,
    ring: (id) => nodeOf(id).ring,
    keyFile,
    withNewcomer: async (threshold) => {
      const newcomer = generateNodeKey();
      const port = await freePort();
      nodeKeys.push(newcomer);
      ports.push(port);
      const { nodePublicKey, encryptionPublicKey } = newcomer;
      const id = nodeKeys.length;
      const entry = { id, url: `http://127.0.0.1:${port}`, nodePublicKey, encryptionPublicKey };
      return { ...set, threshold, replicas: [...set.replicas, entry] };
    },
    ceremony,
    nodeKey: (id) => {
      const nodeKey = nodeKeys[id - 1];
      if (nodeKey === undefined) throw new Error(`no replica ${id}`);
      return nodeKey;
    },
    url: (id) => `http://127.0.0.1:${ports[id - 1]}`,
    corruptShare: (id, share) => {
      if (share === null) shares.delete(id);
      else shares.set(id, share);
    },
    stop,
  };
  await until("all replicas run", () => [1, 2, 3, 4].every((id) => isRunning(nodeOf(id).runtime)));
  return network;
};

const isRunning = (runtime: Runtime): boolean => {
  try {
    runtime.replica();
    return true;
  } catch (error) {
    if (error instanceof Waiting) return false;
    throw error;
  }
};

/** Waits until a condition holds; fails with its name after `timeoutMs`. */
export const until = async (
  what: string,
  condition: () => boolean | Promise<boolean>,
  timeoutMs = 25_000,
): Promise<void> => {
  const deadline = Date.now() + timeoutMs;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`Not within ${timeoutMs} ms: ${what}`);
    await sleep(40);
  }
};
