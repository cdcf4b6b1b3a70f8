import type { Hex } from "viem";
import type { Draft } from "../../src/protocol/Certificate.ts";
import type { Message } from "../../src/protocol/Message.ts";
import { type Position, positionKey } from "../../src/protocol/Position.ts";
import type { Rules, VoteRecord } from "../../src/protocol/State.ts";
import { MAX_RECEIPTS } from "../../src/rules/plan.ts";
import { Byzantine } from "./Byzantine.ts";
import { type SimulatedCrypto, symbolicCrypto } from "./crypto.ts";
import { Random } from "./Random.ts";
import { SimChain } from "./SimChain.ts";
import { SimFeed } from "./SimFeed.ts";
import { emptyStore, type SimContent, SimReplica, type SimStore, short } from "./SimReplica.ts";
import { Timeline } from "./Timeline.ts";

const START_MS = 1_800_000_000_000n;
const FAULTS_MS = 90_000n;
const CALM_MS = 240_000n;
const REPLICAS = [1, 2, 3, 4];
const THRESHOLD = 3;

/** Mistakes that are made on purpose, to see that the simulation finds them. */
export type Plant =
  /** The vote is stored after it was sent, so a crash between the two forgets it. */
  | "persist-late"
  /** A replica forgets what it prepared and votes for every proposal. */
  | "vote-twice"
  /** A replica forgets its lock. */
  | "forget-lock"
  /** The share signs with the commit vote, not only what t commit votes of one view decided. */
  | "sign-early"
  /** A batch is submitted once, and not again when the chain takes it back. */
  | "submit-once"
  /** Replicas do not look at proofs that earlier batches hold. */
  | "accept-reused-proof";

export type SimulationOptions = {
  seed: number;
  plant?: Plant;
  crypto?: SimulatedCrypto;
  /** A false replica, broken rounds and crashes in every run, instead of what the seed brings. */
  isHostile?: boolean;
  /** Receives one line for everything that happens. */
  onTrace?: (line: string) => void;
};

export type SimulationResult = {
  violations: string[];
  batches: number;
  receipts: number;
  messages: number;
  crashes: number;
  partitions: number;
  reorganisations: number;
  takenBack: number;
  views: number;
  hasByzantine: boolean;
};

type Node = { store: SimStore; replica: SimReplica | null; generation: number; skewMs: bigint };

/** One run of four replicas, at most one of them false, under the faults that a seed stands for. */
export const simulate = ({
  seed,
  plant,
  crypto,
  isHostile = false,
  onTrace,
}: SimulationOptions): SimulationResult => {
  const random = new Random(seed);
  const timeline = new Timeline(START_MS);
  const signatures = crypto ?? symbolicCrypto(THRESHOLD);
  const chain = new SimChain(timeline, random, signatures.of(1).isSignedByGroup);
  const feeds = [1, 2].map((id) => new SimFeed(id, random));
  const violations: string[] = [];
  const liar = random.chance(isHostile ? 1 : 0.5) ? random.pick(REPLICAS) : null;
  const idle = liar === null && random.chance(0.3) ? random.pick(REPLICAS) : null;
  const honest = REPLICAS.filter((id) => id !== liar);
  const network = {
    loss: random.pick([0, 0.02, 0.3]),
    repeat: random.pick([0, 0.1]),
    slowest: random.pick([20, 200, 3_000]),
    crash: random.pick(isHostile ? [0.002, 0.006] : [0, 0.0005, 0.004]),
    groups: new Map<number, number>(),
    // Rounds that break off at one certain stage are what locks are for.
    muted: new Set<string>(
      random.chance(isHostile ? 1 : 0.5)
        ? random.pick([["lock"], ["decide"], ["vote"], ["partial"], ["lock", "signed"], ["decide", "signed"]])
        : [],
    ),
  };
  chain.stuckChance = random.pick([0, 0.3]);
  // In half of the runs batches are full, and their windows end at what they leave out.
  const maxReceipts = seed % 2 === 0 ? 3 : MAX_RECEIPTS;
  const chainDown = new Set<number>();
  const feedDown = new Set<number>();
  const counts = { messages: 0, crashes: 0, partitions: 0, views: 0 };
  let isCalm = false;

  const trace = (who: string, what: string): void =>
    onTrace?.(`${String(timeline.nowMs - START_MS).padStart(7)} ms  ${who.padEnd(8)} ${what}`);
  const violate = (what: string): void => {
    if (violations.length === 0) trace("!", what);
    violations.push(what);
  };

  const rulesOf = (replica: number): Rules => ({
    replica,
    replicaCount: REPLICAS.length,
    threshold: THRESHOLD,
    windowMs: 2_000n,
    leaderTimeoutMs: 3_000n,
    resendMs: 400n,
    resubmitMs: 6_000n,
    crypto: signatures.of(replica),
  });

  // What honest replicas gave their share to, by position.
  const partials = new Map<string, Map<Hex, Set<number>>>();
  const prepared = new Map<string, Hex>();
  const decided = new Map<string, Hex>();
  const observe = (from: number, message: Message): void => {
    if (from === liar) return;
    if (message.kind === "partial") {
      const byHash = partials.get(message.position) ?? new Map<Hex, Set<number>>();
      partials.set(message.position, byHash);
      byHash.set(message.batchHash, (byHash.get(message.batchHash) ?? new Set<number>()).add(from));
      const mine = [...byHash].filter(([, signers]) => signers.has(from));
      if (mine.length > 1) violate(`replica ${from} signed two batches at ${message.position}`);
      const complete = [...byHash].filter(
        ([, signers]) => signers.size + (liar === null ? 0 : 1) >= THRESHOLD,
      );
      if (complete.length > 1) violate(`two batches got ${THRESHOLD} signatures at ${message.position}`);
    } else if (message.kind === "vote" || message.kind === "propose") {
      const { kind, view, batchHash } = message.vote;
      const key = `${from} ${kind} ${view} ${message.position}`;
      const before = prepared.get(key);
      if (before !== undefined && before !== batchHash)
        violate(`replica ${from} gave two ${kind} votes in view ${view} at ${message.position}`);
      prepared.set(key, batchHash);
      if (Number(view) > counts.views) counts.views = Number(view);
    }
  };

  const nodes = new Map<number, Node>();
  const nodeOf = (id: number): Node => {
    const node = nodes.get(id);
    if (node === undefined) throw new Error(`no replica ${id}`);
    return node;
  };
  const isConnected = (one: number, other: number): boolean =>
    (network.groups.get(one) ?? 0) === (network.groups.get(other) ?? 0);

  let byzantine: Byzantine | null = null;
  const deliver = (from: number, to: number, message: Message): void => {
    if (!isConnected(from, to)) return;
    if (to === liar) byzantine?.receive(from, message);
    else {
      const node = nodeOf(to);
      node.replica?.take({ kind: "message", nowMs: timeline.nowMs + node.skewMs, from, message });
    }
  };
  const send = (from: number, to: number, message: Message): void => {
    counts.messages += 1;
    observe(from, message);
    const isTraced = onTrace !== undefined;
    const copies = !isCalm && random.chance(network.repeat) ? 2 : 1;
    for (let copy = 0; copy < copies; copy += 1) {
      if (!isCalm && random.chance(network.muted.has(message.kind) ? 0.7 : network.loss)) {
        if (isTraced) trace(`${from} -> ${to}`, `${describe(message)} (lost)`);
        continue;
      }
      const delayMs = random.chance(0.9) || isCalm ? random.ms(1, 20) : random.ms(1, network.slowest);
      if (isTraced) trace(`${from} -> ${to}`, describe(message));
      timeline.after(delayMs, () => deliver(from, to, message));
    }
  };

  const contents = new Map<string, string>();
  const fetch = (id: number, batchHash: Hex): SimContent | null => {
    for (const peer of honest) {
      const node = nodeOf(peer);
      const content = node.store.contents.get(batchHash);
      if (content !== undefined && node.replica !== null && isConnected(id, peer)) return content;
    }
    return null;
  };

  const crash = (id: number, why: string): void => {
    const node = nodeOf(id);
    if (node.replica === null) return;
    counts.crashes += 1;
    trace(String(id), `crashes ${why}`);
    node.replica.isDead = true;
    node.replica = null;
    node.generation += 1;
    timeline.after(random.ms(200, 12_000), () => start(id));
  };

  const start = (id: number): void => {
    const node = nodeOf(id);
    if (node.replica !== null) return;
    const { generation } = node;
    trace(String(id), "starts");
    let late: VoteRecord | null = null;
    const replica: SimReplica = new SimReplica(rulesOf(id), node.store, {
      chain,
      feeds,
      nowMs: () => timeline.nowMs + node.skewMs,
      later: (delayMs, work) =>
        timeline.after(delayMs, () => {
          if (node.generation === generation && !replica.isDead) work();
        }),
      delayMs: (least, most) => random.ms(least, most),
      send: (to, message) => {
        send(id, to, message);
        if (plant === "sign-early" && message.kind === "vote" && message.vote.kind === "commit") {
          const { batchHash } = message.vote;
          observe(id, { kind: "partial", position: message.position, batchHash, signature: "0x" });
        }
      },
      isChainReachable: () => !chainDown.has(id),
      isFeedReachable: () => !feedDown.has(id),
      fetch: (batchHash) => fetch(id, batchHash),
      diesBefore: () => {
        if (isCalm || !random.chance(network.crash)) return false;
        // The dying replica's work stops at once; its death is told when the step is over.
        timeline.after(0n, () => crash(id, "between two effects"));
        return true;
      },
      onPersist: (record) => {
        const hash = record.committed?.certificate.batchHash;
        const position = positionKey(record.position);
        if (hash !== undefined && (decided.get(position) ?? hash) !== hash)
          violate(`two batches were decided at ${position}`);
        if (hash !== undefined) decided.set(position, hash);
        if (plant !== "persist-late") return;
        const key = positionKey(record.position);
        node.store.records.delete(key);
        if (late !== null && positionKey(late.position) === key) node.store.records.set(key, late);
        timeline.after(2_000n, () => {
          if (node.generation === generation) node.store.records.set(key, record);
        });
        late = null;
      },
      onContent: (batchHash, content) => {
        const refused = content.refused.map(({ gateway, seq }) => [gateway, String(seq)]);
        const codes = content.refused.map(({ code }) => code);
        // What settles and what is refused is one for all. Why may differ once a block was replaced by another.
        const judgements = [
          [batchHash, JSON.stringify([content.receiptIds, refused])],
          [`${batchHash} ${chain.reorganisations}`, JSON.stringify(codes)],
        ] as const;
        for (const [of, judged] of judgements) {
          if ((contents.get(of) ?? judged) !== judged)
            violate(`two replicas judged the events of ${short(batchHash)} differently`);
          contents.set(of, judged);
        }
      },
      forgetsProofs: plant === "accept-reused-proof",
      maxReceipts,
      submitsOnce: plant === "submit-once",
      trace: (what) => trace(String(id), what),
    });
    node.replica = replica;
    replica.start();
  };

  const forget = (): void => {
    for (const id of honest) {
      const { replica, store } = nodeOf(id);
      const record = replica?.state.record;
      if (replica === null || record === null || record === undefined) continue;
      const changed =
        plant === "vote-twice" ? { ...record, prepared: null, view: -1n } : { ...record, locked: null };
      replica.state = { ...replica.state, record: changed };
      store.records.set(positionKey(record.position), changed);
    }
  };

  for (const id of REPLICAS)
    nodes.set(id, { store: emptyStore(), replica: null, generation: 0, skewMs: random.ms(0, 400) - 200n });
  for (const id of honest) if (id !== idle) start(id);

  if (liar !== null) {
    const draftsOf = (position: Position): Draft[] => {
      const proposer = honest.map(nodeOf).find(({ replica }) => replica !== null)?.replica;
      const { laneId: _lane, ...lane } = position;
      const { head } = chain;
      if (proposer === null || proposer === undefined) return [];
      return [0n, 1n, 500n].flatMap((earlier) => {
        const windowEndMs = head.timeMs - earlier;
        if (windowEndMs <= lane.lastWindowEnd) return [];
        const slices = feeds.map(({ gateway, events }) => {
          const node = nodeOf(honest[0] ?? 1);
          const { seq, hash } = node.store.committed.get(gateway) ?? {
            seq: 0n,
            hash: `0x${"00".repeat(32)}` as Hex,
          };
          return { gateway, fromSeq: seq, fromHash: hash, events: events.slice(Number(seq)) };
        });
        const plan = proposer.plan(lane, head.number, windowEndMs, slices);
        return plan === null ? [] : [{ header: plan.batch.header, sources: plan.batch.sources }];
      });
    };
    byzantine = new Byzantine(rulesOf(liar), random, {
      nowMs: () => timeline.nowMs,
      position: () => ({ laneId: 0, ...chain.head.state.lane }),
      send: (to, message) => send(liar, to, message),
      drafts: draftsOf,
    });
    const act = (): void => {
      byzantine?.act();
      timeline.after(random.ms(200, 1_500), act);
    };
    timeline.after(random.ms(0, 1_000), act);
  }

  const gatewayLoop = (feed: SimFeed): void => {
    if (timeline.nowMs > START_MS + FAULTS_MS) return;
    if (feed.jobs.size === 0 || random.chance(0.1)) feed.open(timeline.nowMs, (jobId) => chain.lock(jobId));
    else feed.record(timeline.nowMs);
    timeline.after(random.ms(100, 5_000), () => gatewayLoop(feed));
  };
  for (const feed of feeds) timeline.after(random.ms(10, 500), () => gatewayLoop(feed));

  const trouble = (): void => {
    if (isCalm) return;
    const lastsMs = random.ms(500, 15_000);
    const until = (undo: () => void): void => timeline.after(lastsMs, undo);
    switch (random.between(0, 6)) {
      case 0:
        crash(random.pick(honest), "for a while");
        break;
      case 1: {
        counts.partitions += 1;
        for (const id of REPLICAS) network.groups.set(id, random.between(0, 1));
        trace("network", `splits ${JSON.stringify([...network.groups])}`);
        until(() => network.groups.clear());
        break;
      }
      case 2: {
        const depth = random.pick([1, 1, 2, 3, 12]);
        trace("chain", `reorganises ${depth} blocks`);
        chain.reorganise(depth);
        break;
      }
      case 3: {
        const id = random.pick(honest);
        chainDown.add(id);
        until(() => chainDown.delete(id));
        break;
      }
      case 4: {
        const id = random.pick(honest);
        feedDown.add(id);
        until(() => feedDown.delete(id));
        break;
      }
      case 5:
        chain.isHalted = true;
        until(() => {
          chain.isHalted = false;
        });
        break;
      case 6:
        for (const id of REPLICAS) chainDown.add(id);
        until(() => chainDown.clear());
        break;
    }
    timeline.after(random.ms(500, 12_000), trouble);
  };
  timeline.after(random.ms(1_000, 10_000), trouble);
  if (plant === "vote-twice" || plant === "forget-lock") {
    const again = (): void => {
      forget();
      timeline.after(50n, again);
    };
    again();
  }

  timeline.run(START_MS + FAULTS_MS, () => violations.length > 0 && plant !== undefined);
  isCalm = true;
  network.groups.clear();
  chainDown.clear();
  feedDown.clear();
  chain.isHalted = false;
  chain.stuckChance = 0;
  trace("!", "calm");
  for (const id of honest) if (id !== idle) start(id);

  const valid = new Set(feeds.flatMap((feed) => [...feed.valid]));
  const alive = honest.filter((id) => id !== idle);
  const isSettled = (): boolean => {
    const { batches } = chain.head.state;
    return alive.every((id) => {
      const { store } = nodeOf(id);
      return (
        store.applied.length === batches.length &&
        [...valid].every((receiptId) => store.receipts.has(receiptId))
      );
    });
  };
  for (let end = timeline.nowMs + CALM_MS; timeline.nowMs < end && !isSettled() && violations.length === 0; )
    timeline.run(timeline.nowMs + 5_000n);

  const { batches } = chain.head.state;
  const settled = new Set<Hex>();
  if (violations.length === 0 && !isSettled())
    violate(
      `not everything was settled within ${CALM_MS} ms although ${alive.length} replicas are connected`,
    );
  for (const { hash } of batches) {
    const content = alive.map((id) => nodeOf(id).store.contents.get(hash)).find((one) => one !== undefined);
    for (const receiptId of content?.receiptIds ?? []) {
      if (settled.has(receiptId)) violate(`receipt ${receiptId} was settled twice`);
      if (!valid.has(receiptId)) violate(`receipt ${receiptId} is bad and was settled`);
      settled.add(receiptId);
    }
  }
  return {
    violations,
    batches: batches.length,
    receipts: settled.size,
    ...counts,
    reorganisations: chain.reorganisations,
    takenBack: chain.takenBack,
    hasByzantine: liar !== null,
  };
};

const describe = (message: Message): string => {
  const number = message.position.split("/")[2];
  switch (message.kind) {
    case "query":
      return `query view ${message.view} of batch ${number}`;
    case "status":
      return `status, locked ${message.locked === null ? "nothing" : short(message.locked.certificate.batchHash)}`;
    case "propose":
      return `propose ${short(message.vote.batchHash)} as batch ${number} in view ${message.vote.view}${message.justification === null ? "" : `, prepared in ${message.justification.view}`}`;
    case "vote":
      return `${message.vote.kind} ${short(message.vote.batchHash)} in view ${message.vote.view}`;
    case "refuse":
      return `refuse ${short(message.batchHash)}: ${message.reasons.join("; ")}`;
    case "lock":
    case "decide":
      return `${message.kind} ${short(message.certified.certificate.batchHash)} of view ${message.certified.certificate.view}`;
    case "partial":
      return `partial signature of ${short(message.batchHash)}`;
    case "signed":
      return `signed ${short(message.signed.batchHash)} as batch ${number}`;
  }
};
