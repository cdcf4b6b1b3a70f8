import type { Hex } from "viem";
import type { Lane } from "../chain/ChainPort.ts";
import type { Draft } from "../protocol/Certificate.ts";
import type { Message } from "../protocol/Message.ts";
import { type Position, positionKey } from "../protocol/Position.ts";
import {
  type Effect,
  emptyRecord,
  type Input,
  initialState,
  type Rules,
  type State,
  type VoteRecord,
} from "../protocol/State.ts";
import { step } from "../protocol/step.ts";
import { contentOf } from "../store/content.ts";
import type { Builder } from "./Builder.ts";
import type { ChainFollower } from "./ChainFollower.ts";
import type { Checker } from "./Checker.ts";
import type { Committer } from "./Committer.ts";
import { type Context, describe, holdsLaneKey } from "./Context.ts";
import type { Submitter } from "./Submitter.ts";

type Happening = Input extends infer One ? (One extends Input ? Omit<One, "nowMs"> : never) : never;

export type DriverParts = {
  follower: ChainFollower;
  committer: Committer;
  builder: Builder;
  checker: Checker;
  submitter: Submitter;
};

/** So many messages may be on their way to one peer; beyond it they count as lost, and are repeated. */
const MAX_IN_FLIGHT = 64;
const MAX_TIMER_MS = 60_000n;

/**
 * The edge of the state machine: gives it one input after the other, and carries out what it decides on the store, the
 * peers and the chain. An effect that fails stops those behind it, and the machine starts again from what is stored.
 */
export class Driver {
  readonly #context: Context;
  readonly #parts: DriverParts;
  readonly #rules: Rules;
  readonly #inFlight = new Map<number, number>();
  #state: State;
  #turn: Promise<void> = Promise.resolve();
  #timer: NodeJS.Timeout | null = null;
  #looking: Promise<void> | null = null;
  #isStopped = false;

  constructor(context: Context, rules: Rules, parts: DriverParts) {
    this.#context = context;
    this.#rules = rules;
    this.#parts = parts;
    this.#state = initialState(context.nowMs());
  }

  /** What the machine knows now. */
  get state(): State {
    return this.#state;
  }

  /** Gives the machine an input; resolves when its effects are carried out, or when that has failed. */
  take(happening: Happening): Promise<void> {
    this.#turn = this.#turn.then(async () => {
      if (this.#isStopped) return;
      const nowMs = this.#context.nowMs();
      const { state, effects } = step(this.#rules, this.#state, { ...happening, nowMs } as Input);
      this.#state = state;
      try {
        for (const effect of effects) await this.#carryOut(effect);
      } catch (error) {
        // What could not be stored must not be acted upon; the next look at the chain loads what is stored.
        this.#context.logger.error({ err: error }, "a vote could not be stored");
        this.#state = initialState(nowMs);
      }
    });
    return this.#turn;
  }

  receive(from: number, message: Message): Promise<void> {
    return this.take({ kind: "message", from, message });
  }

  /** Tells the machine where the lane stands and whether there is anything to settle. Calls at the same time share one look. */
  look(): Promise<void> {
    // While a replica catches up, every message of its peers asks for a look.
    this.#looking ??= this.#look().finally(() => {
      this.#looking = null;
    });
    return this.#looking;
  }

  async #look(): Promise<void> {
    const { set } = this.#context;
    const lane = await this.#lane();
    this.#context.keys.onLane(lane);
    const isOurs = holdsLaneKey(this.#context, lane);
    if (isOurs) await this.#takeBackVoid(lane);
    if (!isOurs || !(await this.#isCaughtUp(lane))) return this.take({ kind: "no-position" });
    const { keyHash: _keyHash, ...place } = lane;
    const position = { laneId: set.laneId, ...place };
    const current = this.#state.record;
    if (current === null || positionKey(current.position) !== positionKey(position))
      await this.take({ kind: "position", position, stored: await this.#stored(position) });
    await this.tellWork();
  }

  /** Tells the machine whether there is anything to settle. */
  async tellWork(): Promise<void> {
    const hasWork = (await this.#context.feeds.oldestPendingMs()) !== null;
    if (hasWork !== this.#state.hasWork) await this.take({ kind: "work", hasWork });
  }

  stop(): void {
    this.#isStopped = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
  }

  /** The lane at the newest block of which everything is applied. */
  async #lane(): Promise<Lane> {
    const { chain, set } = this.#context;
    const { follower, committer } = this.#parts;
    for (;;) {
      const followed = await follower.follow();
      await committer.commitAll().catch(async (error: unknown) => {
        await this.take({ kind: "no-position" });
        throw error;
      });
      const lane = await chain.laneOf(set.laneId, followed);
      // A check of a proposal follows the chain too, and what it applied since would pass for lost beside an older lane.
      if (follower.followed === followed) return lane;
    }
  }

  /** A batch the chain lost comes back as it was, unless a rotation in between made it void for ever. */
  async #takeBackVoid({ nextBatchNumber, keyEpoch, lastBatchHash }: Lane): Promise<void> {
    const { batches, logger } = this.#context;
    const lost = await batches.header(nextBatchNumber);
    if (lost === null || (lost.keyEpoch === keyEpoch && lost.previousBatchHash === lastBatchHash)) return;
    logger.error({ batchNumber: nextBatchNumber, keyEpoch }, "what a void batch settled is taken back");
    await batches.takeBack(nextBatchNumber);
  }

  async #isCaughtUp({ nextBatchNumber }: Lane): Promise<boolean> {
    const applied = (await this.#context.batches.lastApplied())?.batchNumber ?? 0n;
    // A position before the last applied batch is one the chain lost.
    return applied + 1n >= nextBatchNumber;
  }

  async #stored(position: Position): Promise<VoteRecord | null> {
    const { votes, batches, logger } = this.#context;
    const stored = await votes.record(position);
    if (stored !== null && stored.signed !== null) return stored;
    const lost = await batches.batch(position.nextBatchNumber);
    if (lost === null) return stored;
    logger.error(
      { batchNumber: position.nextBatchNumber, batchHash: lost.batchHash },
      "the chain lost a batch",
    );
    const { header, sources, batchHash, signature, partials } = lost;
    if (
      signature === null ||
      header.previousBatchHash !== position.lastBatchHash ||
      header.keyEpoch !== position.keyEpoch
    )
      return stored;
    const signed = {
      draft: { header, sources },
      batchHash,
      signature,
      partials: partials.map((one) => ({ replica: one.replica, signature: one.signature })),
    };
    return { ...(stored ?? emptyRecord(position)), signed };
  }

  async #carryOut(effect: Effect): Promise<void> {
    const { votes, metrics, logger } = this.#context;
    switch (effect.kind) {
      case "persist":
        await votes.save(effect.record);
        return;
      case "send":
        this.#send(effect.to, effect.message);
        return;
      case "build":
        this.#inBackground(this.#build(effect.position, effect.view));
        return;
      case "check":
        this.#inBackground(this.#check(effect));
        return;
      case "submit": {
        const { signed } = effect;
        const submitted = this.#parts.submitter.submit(signed);
        this.#inBackground(
          submitted.then((outcome) => this.take({ kind: "submitted", batchHash: signed.batchHash, outcome })),
        );
        return;
      }
      case "follow":
        // A look that is under way is reported by whoever began it.
        if (this.#looking === null) this.#inBackground(this.look());
        return;
      case "wake":
        this.#wakeAt(effect.atMs);
        return;
      case "accuse": {
        const { replica, guilt, evidence } = effect;
        metrics.misdeeds.inc({ replica: String(replica), guilt });
        const batchNumber = this.#state.record?.position.nextBatchNumber ?? 0n;
        logger.error({ replica, guilt, batchNumber, evidence }, "a replica misbehaved");
        this.#inBackground(votes.saveMisdeed({ replica, guilt, batchNumber, evidence: [...evidence] }));
        return;
      }
      case "refused": {
        const { batchHash, view, from, reasons } = effect;
        metrics.refusals.inc();
        const batchNumber = this.#state.record?.position.nextBatchNumber ?? 0n;
        logger.warn({ proposer: from, batchNumber, view, batchHash, reasons }, "proposal refused");
        const decision = {
          batchHash,
          view,
          proposer: from,
          outcome: "refused" as const,
          reasons: [...reasons],
        };
        this.#inBackground(votes.saveDecision(batchNumber, decision));
        return;
      }
      case "signer":
        metrics.signerUp.set({ replica: String(effect.replica) }, effect.isUp ? 1 : 0);
        return;
    }
  }

  #inBackground(work: Promise<unknown>): void {
    work.catch((error: unknown) => {
      this.#context.metrics.loopErrors.inc({ loop: "protocol" });
      this.#context.logger.warn({ err: error }, "step failed and is tried again");
    });
  }

  #send(to: number, message: Message): void {
    const peer = this.#context.peers.find(({ id }) => id === to);
    const count = this.#inFlight.get(to) ?? 0;
    if (peer === undefined || count >= MAX_IN_FLIGHT) return;
    this.#inFlight.set(to, count + 1);
    peer
      .send(message)
      .catch((error: unknown) =>
        this.#context.logger.debug({ replica: to, kind: message.kind, reason: describe(error) }, "not sent"),
      )
      .finally(() => this.#inFlight.set(to, (this.#inFlight.get(to) ?? 1) - 1));
  }

  #wakeAt(atMs: bigint): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    const waitMs = atMs - this.#context.nowMs();
    const boundedMs = waitMs < 1n ? 1n : waitMs > MAX_TIMER_MS ? MAX_TIMER_MS : waitMs;
    this.#timer = setTimeout(() => this.#inBackground(this.take({ kind: "wake" })), Number(boundedMs));
  }

  async #build(position: Position, view: bigint): Promise<void> {
    const key = positionKey(position);
    let draft: Draft | null = null;
    try {
      draft = await this.#draft(position, view);
    } finally {
      await this.take({ kind: "built", key, view, draft });
    }
  }

  async #draft({ laneId, ...lane }: Position, view: bigint): Promise<Draft | null> {
    const { chain, batches, votes, replica, logger } = this.#context;
    const followed = await this.#parts.follower.follow();
    const windowEndMs = await chain.timeOf(followed);
    const applied = (await batches.lastApplied())?.batchNumber ?? 0n;
    if (windowEndMs <= lane.lastWindowEnd || applied + 1n !== lane.nextBatchNumber) return null;
    // A reorganisation may have taken the previous batch back since: what it closes is open again at this block.
    const { nextBatchNumber } = await chain.laneOf(laneId, followed);
    if (nextBatchNumber !== lane.nextBatchNumber) return null;
    const plan = await this.#parts.builder.plan(lane, followed, windowEndMs);
    if (plan === null) return null;
    const { header, sources } = plan.batch;
    const { batchHash } = plan;
    await votes.saveDraft({ header, sources }, contentOf(plan), {
      batchHash,
      view,
      proposer: replica,
      outcome: "built",
    });
    const { batchNumber, receiptCount } = header;
    logger.debug({ batchNumber, view, receiptCount, batchHash }, "batch proposed");
    return { header, sources };
  }

  async #check({ position, draft, batchHash, view, from }: Effect & { kind: "check" }): Promise<void> {
    let problems: string[] = ["our store does not answer"];
    try {
      problems = await this.#problemsOf(draft, batchHash, view, from);
    } finally {
      await this.take({ kind: "checked", key: positionKey(position), batchHash, problems });
    }
  }

  async #problemsOf(draft: Draft, batchHash: Hex, view: bigint, proposer: number): Promise<string[]> {
    const { plan, problems } = await this.#parts.checker.check(draft, batchHash);
    if (plan === null) return problems;
    const decision = { batchHash, view, proposer, outcome: "recomputed" as const };
    await this.#context.votes.saveDraft(draft, contentOf(plan), decision);
    return [];
  }
}
