import type { Address, Hex } from "viem";
import type { Draft } from "../../src/protocol/Certificate.ts";
import type { Message } from "../../src/protocol/Message.ts";
import { continues, type Position, positionKey } from "../../src/protocol/Position.ts";
import {
  type Effect,
  type Input,
  initialState,
  type Rules,
  type State,
  type VoteRecord,
} from "../../src/protocol/State.ts";
import { step } from "../../src/protocol/step.ts";
import { jobKey } from "../../src/rules/Job.ts";
import { differences, type Plan, planBatch } from "../../src/rules/plan.ts";
import type { Feed, JobFacts, SettleFacts } from "../../src/rules/settle.ts";
import { domains } from "../support/World.ts";
import type { SimChain } from "./SimChain.ts";
import { FIRST_HASH, type SimFeed, tariffHash } from "./SimFeed.ts";

/** What a batch holds, as the store keeps it. */
export type SimContent = {
  draft: Draft;
  receiptIds: readonly Hex[];
  finalJobs: readonly Hex[];
  refused: readonly { gateway: Address; seq: bigint; code: string }[];
};

/** What survives a crash. */
export type SimStore = {
  records: Map<string, VoteRecord>;
  contents: Map<Hex, SimContent>;
  pulled: Map<Address, number>;
  committed: Map<Address, { seq: bigint; hash: Hex }>;
  applied: { hash: Hex; number: bigint }[];
  receipts: Map<Hex, bigint>;
  proofs: Set<Hex>;
  settledNano: Map<Hex, bigint>;
  verdicts: Map<string, string>;
};

export type SimHost = {
  chain: SimChain;
  feeds: readonly SimFeed[];
  nowMs(): bigint;
  /** Runs later, unless the replica has crashed by then. */
  later(delayMs: bigint, work: () => void): void;
  delayMs(least: number, most: number): bigint;
  send(to: number, message: Message): void;
  isChainReachable(): boolean;
  isFeedReachable(): boolean;
  /** A batch's content from a peer that has it and can be reached. */
  fetch(batchHash: Hex): SimContent | null;
  /** Whether the replica dies before this effect. */
  diesBefore(effect: Effect): boolean;
  onPersist(record: VoteRecord): void;
  onContent(batchHash: Hex, content: SimContent): void;
  /** Mistakes made on purpose, see `Plant`. */
  forgetsProofs: boolean;
  submitsOnce: boolean;
  /** Of one batch. */
  maxReceipts: number;
  trace(what: string): void;
};

export const emptyStore = (): SimStore => ({
  records: new Map(),
  contents: new Map(),
  pulled: new Map(),
  committed: new Map(),
  applied: [],
  receipts: new Map(),
  proofs: new Set(),
  settledNano: new Map(),
  verdicts: new Map(),
});

/** The edge around the state machine: carries out effects on a simulated store, chain and network. */
export class SimReplica {
  readonly #rules: Rules;
  readonly #store: SimStore;
  readonly #host: SimHost;
  state: State;
  isDead = false;
  readonly #submitted = new Set<Hex>();
  #wake = 0;

  constructor(rules: Rules, store: SimStore, host: SimHost) {
    this.#rules = rules;
    this.#store = store;
    this.#host = host;
    this.state = initialState(host.nowMs());
  }

  start(): void {
    const host = this.#host;
    const pull = (): void => {
      this.#pull();
      host.later(300n, pull);
    };
    const follow = (): void => {
      this.follow();
      host.later(500n, follow);
    };
    host.later(host.delayMs(0, 300), pull);
    host.later(host.delayMs(0, 500), follow);
  }

  take(input: Input): void {
    if (this.isDead) return;
    const { state, effects } = step(this.#rules, this.state, input);
    this.state = state;
    for (const effect of effects) {
      if (this.#host.diesBefore(effect)) {
        this.isDead = true;
        return;
      }
      this.#carryOut(effect);
      if (this.isDead) return;
    }
  }

  #carryOut(effect: Effect): void {
    const host = this.#host;
    switch (effect.kind) {
      case "persist":
        this.#store.records.set(positionKey(effect.record.position), effect.record);
        host.onPersist(effect.record);
        return;
      case "send":
        host.send(effect.to, effect.message);
        return;
      case "build":
        host.later(host.delayMs(5, 60), () => this.#build(effect.position, effect.view));
        return;
      case "check":
        host.later(host.delayMs(5, 60), () => this.#check(effect.position, effect.draft, effect.batchHash));
        return;
      case "submit":
        host.later(host.delayMs(10, 300), () => {
          const { batchHash } = effect.signed;
          const content = this.#store.contents.get(batchHash) ?? host.fetch(batchHash);
          const isSkipped = host.submitsOnce && this.#submitted.has(batchHash);
          const outcome =
            content === null || !host.isChainReachable()
              ? "unavailable"
              : isSkipped
                ? "sent"
                : host.chain.submit(this.#rules.replica, effect.signed, content.finalJobs);
          if (outcome === "sent") this.#submitted.add(batchHash);
          host.trace(`submits ${short(batchHash)}: ${outcome}`);
          this.take({ kind: "submitted", nowMs: host.nowMs(), batchHash, outcome });
        });
        return;
      case "follow":
        host.later(1n, () => this.follow());
        return;
      case "wake": {
        this.#wake += 1;
        const mine = this.#wake;
        const delayMs = effect.atMs - host.nowMs();
        host.later(delayMs < 1n ? 1n : delayMs, () => {
          if (mine === this.#wake) this.take({ kind: "wake", nowMs: host.nowMs() });
        });
        return;
      }
      case "accuse":
        host.trace(`accuses ${effect.replica} of ${effect.guilt}`);
        return;
      case "refused":
        host.trace(`refuses ${short(effect.batchHash)} of ${effect.from}: ${effect.reasons.join("; ")}`);
        return;
      case "signer":
        return;
    }
  }

  #pull(): void {
    if (!this.#host.isFeedReachable()) return;
    for (const { gateway, events } of this.#host.feeds) this.#store.pulled.set(gateway, events.length);
    this.#tellWork();
  }

  #tellWork(): void {
    const hasWork = this.#host.feeds.some(({ gateway, events }) => {
      const pulled = events.slice(0, this.#store.pulled.get(gateway) ?? 0);
      const from = Number(this.#committedOf(gateway).seq);
      return pulled.slice(from).some(({ kind, refusal }) => kind !== "job-opened" && refusal === null);
    });
    if (hasWork !== this.state.hasWork) this.take({ kind: "work", nowMs: this.#host.nowMs(), hasWork });
  }

  /** Applies what the chain committed, and tells the machine where the lane stands. */
  follow(): void {
    const { chain } = this.#host;
    if (!this.#host.isChainReachable()) return;
    const nowMs = this.#host.nowMs();
    const { batches } = chain.head.state;
    for (let index = this.#store.applied.length; index < batches.length; index += 1) {
      const batch = batches[index];
      if (batch === undefined) return;
      const content = this.#store.contents.get(batch.hash) ?? this.#host.fetch(batch.hash);
      if (content === null) {
        this.take({ kind: "no-position", nowMs });
        return;
      }
      this.#apply(batch.hash, batch.header.batchNumber, content);
    }
    const lane = chain.head.state.lane;
    const position: Position = { laneId: 0, ...lane };
    const stored = this.#store.records.get(positionKey(position)) ?? null;
    this.take({ kind: "position", nowMs, position, stored });
    this.#tellWork();
  }

  #apply(hash: Hex, number: bigint, content: SimContent): void {
    const store = this.#store;
    store.contents.set(hash, content);
    store.applied.push({ hash, number });
    for (const range of content.draft.sources.ranges) {
      const feed = this.#host.feeds.find(({ gateway }) => gateway === range.gateway);
      for (const event of feed?.events.slice(Number(range.fromSeq), Number(range.toSeq)) ?? [])
        store.verdicts.set(`${range.gateway} ${event.seq}`, "settled");
      store.committed.set(range.gateway, { seq: range.toSeq, hash: range.toHash });
    }
    for (const { gateway, seq, code } of content.refused) store.verdicts.set(`${gateway} ${seq}`, code);
    for (const feed of this.#host.feeds)
      for (const event of feed.events)
        if (event.kind === "usage" && content.receiptIds.includes(event.receipt.receiptId)) {
          const { jobId, costNano, proofHash, receiptId } = event.receipt;
          store.receipts.set(receiptId, number);
          store.proofs.add(proofHash);
          store.settledNano.set(jobId, (store.settledNano.get(jobId) ?? 0n) + costNano);
        }
  }

  #build({ laneId, ...lane }: Position, view: bigint): void {
    const nowMs = this.#host.nowMs();
    const key = positionKey({ laneId, ...lane });
    const plan = this.#planAtHead(lane);
    if (plan !== null) this.#keep(plan);
    const draft = plan === null ? null : { header: plan.batch.header, sources: plan.batch.sources };
    if (plan !== null) this.#host.trace(`builds ${short(plan.batchHash)} in view ${view}`);
    this.take({ kind: "built", nowMs, key, view, draft });
  }

  /** The next batch as this replica would propose it; `earlier` blocks before the head. */
  #planAtHead(lane: Omit<Position, "laneId">): Plan | null {
    const { chain, feeds } = this.#host;
    const { head } = chain;
    if (!this.#host.isChainReachable() || head.timeMs <= lane.lastWindowEnd) return null;
    if (head.state.lane.nextBatchNumber !== lane.nextBatchNumber) return null;
    return this.plan(
      lane,
      head.number,
      head.timeMs,
      feeds.map(({ gateway }) => this.#slice(gateway, BigInt(this.#store.pulled.get(gateway) ?? 0))),
    );
  }

  plan(lane: Omit<Position, "laneId">, chainBlock: bigint, windowEndMs: bigint, feeds: Feed[]): Plan | null {
    if (feeds.every(({ events }) => events.length === 0)) return null;
    const facts = this.#facts(chainBlock);
    if (facts === null) return null;
    return planBatch({
      domain: domains.usageReceipts,
      laneId: 0,
      lane,
      chainBlock,
      windowEndMs,
      feeds,
      facts,
      maxReceipts: this.#host.maxReceipts,
    });
  }

  #check(position: Position, { header, sources }: Draft, batchHash: Hex): void {
    const nowMs = this.#host.nowMs();
    const problems = this.#problemsOf(position, { header, sources });
    this.take({ kind: "checked", nowMs, key: positionKey(position), batchHash, problems });
  }

  #problemsOf({ laneId, ...lane }: Position, { header, sources }: Draft): string[] {
    const { chain } = this.#host;
    if (!this.#host.isChainReachable()) return ["our chain endpoints do not answer"];
    const pinned = chain.at(sources.chainBlock);
    if (pinned === null) return [`we are at block ${chain.head.number} only`];
    if (!continues(header, { laneId, ...chain.head.state.lane })) return ["the lane moved on"];
    if (!continues(header, { laneId, ...pinned.state.lane }))
      return ["pinned before the previous batch was committed"];
    if (header.windowEnd <= header.windowStart) return ["the window is empty"];
    if (header.windowEnd > pinned.timeMs) return ["the window ends after the pinned block"];
    for (const { gateway, fromSeq, toSeq } of sources.ranges) {
      if (this.#committedOf(gateway).seq !== fromSeq) return ["another cursor"];
      if (BigInt(this.#store.pulled.get(gateway) ?? 0) < toSeq) return ["we have not pulled that far"];
    }
    const slices = sources.ranges.map(({ gateway, toSeq }) => this.#slice(gateway, toSeq));
    const plan = this.plan(lane, sources.chainBlock, header.windowEnd, slices);
    const problems = differences({ header, sources }, plan);
    if (problems.length === 0 && plan !== null) this.#keep(plan);
    return problems;
  }

  #keep({ batch, batchHash, settlement }: Plan): void {
    const content = {
      draft: { header: batch.header, sources: batch.sources },
      receiptIds: batch.receiptIds,
      finalJobs: [...settlement.finalJobs.keys()],
      refused: settlement.refused,
    };
    this.#store.contents.set(batchHash, content);
    this.#host.onContent(batchHash, content);
  }

  #committedOf(gateway: Address): { seq: bigint; hash: Hex } {
    return this.#store.committed.get(gateway) ?? { seq: 0n, hash: FIRST_HASH };
  }

  #slice(gateway: Address, toSeq: bigint): Feed {
    const { seq, hash } = this.#committedOf(gateway);
    const events = this.#host.feeds.find((feed) => feed.gateway === gateway)?.events ?? [];
    return { gateway, fromSeq: seq, fromHash: hash, events: events.slice(Number(seq), Number(toSeq)) };
  }

  #facts(block: bigint): SettleFacts | null {
    const state = this.#host.chain.at(block)?.state;
    if (state === undefined) return null;
    const jobs = new Map<string, JobFacts>();
    for (const feed of this.#host.feeds)
      for (const [jobId, job] of feed.jobs) {
        const isLocked = state.locked.has(jobId);
        const { tenant, maxSpendNano } = job.capability;
        jobs.set(jobKey(feed.gateway, jobId), {
          job,
          lock: {
            state: !isLocked ? "none" : state.closed.has(jobId) ? "closed" : "open",
            tenant,
            maxSpendNano,
            remainingNano: maxSpendNano,
          },
          lockedCapabilityHash: isLocked ? job.capabilityHash : null,
          revokedAt: 0n,
          isTenantSigned: true,
          settledNano: this.#store.settledNano.get(jobId) ?? 0n,
        });
      }
    return {
      gatewayTerms: new Map(
        this.#host.feeds.map(({ gateway }) => [gateway, { enrolledAt: 1n, removedAt: 0n }]),
      ),
      jobs,
      publishedTariffs: new Set([tariffHash]),
      signingKeys: new Map(),
      knownReceiptIds: new Set(this.#store.receipts.keys()),
      knownProofHashes: this.#host.forgetsProofs ? new Set() : this.#store.proofs,
    };
  }
}

export const short = (hash: Hex): string => hash.slice(2, 8);
