import type { BatchHeader, Sources } from "@tac/protocol";
import type { Address } from "viem";
import type { LanePosition } from "../chain/ChainPort.ts";
import { readFacts } from "../chain/readFacts.ts";
import type { Job } from "../rules/Job.ts";
import { differences, type Plan, planBatch } from "../rules/plan.ts";
import type { Feed } from "../rules/settle.ts";
import type { FeedState } from "../store/FeedStore.ts";
import type { Context } from "./Context.ts";

/** Events a plan first looks at per gateway: a full batch and some refused ones, which count as well. */
const FIRST_EVENTS = 12_000;
/** A plan looks further while all it saw is refused, lest refused events bury good ones for ever; but no further. */
export const MAX_EVENTS = 640_000;

export type BuilderContext = Pick<Context, "domains" | "chain" | "batches" | "feeds" | "set"> & {
  gateways: readonly { address: Address }[];
};

/** Reads what a batch is built from, and builds it. */
export class Builder {
  readonly #context: BuilderContext;
  readonly #firstEvents: number;

  constructor(context: BuilderContext, firstEvents = FIRST_EVENTS) {
    this.#context = context;
    this.#firstEvents = firstEvents;
  }

  /** The next batch from all this replica holds, or null when there is nothing to settle. */
  async plan(lane: LanePosition, chainBlock: bigint, windowEndMs: bigint): Promise<Plan | null> {
    const known = new Set(this.#context.gateways.map(({ address }) => address));
    const states = (await this.#context.feeds.feeds()).filter(({ pulled }) => known.has(pulled.gateway));
    for (let limit = this.#firstEvents; ; limit = Math.min(limit * 2, MAX_EVENTS)) {
      const slices = await Promise.all(
        states.map(({ committed, pulled }) => this.#slice(committed, pulled.seq, limit)),
      );
      const endMs = endOfSeen(slices, limit, lane.lastWindowEnd, windowEndMs);
      const plan = await this.#build(lane, chainBlock, endMs, slices);
      const sawAll = slices.every(({ events }) => events.length < limit);
      if (plan !== null || sawAll || limit === MAX_EVENTS) return plan;
    }
  }

  /** The batch of exactly these sources, built anew, and how it differs from the proposed header. */
  async rebuild(
    lane: LanePosition,
    header: BatchHeader.BatchHeader,
    sources: Sources.Sources,
    states: readonly FeedState[],
  ): Promise<{ plan: Plan | null; problems: string[] }> {
    const slices = await Promise.all(
      sources.ranges.map(({ gateway, toSeq }) => {
        const state = states.find(({ committed }) => committed.gateway === gateway);
        if (state === undefined) throw new Error(`There is no feed of ${gateway}.`);
        return this.#slice(state.committed, toSeq, MAX_EVENTS);
      }),
    );
    const plan = await this.#build(lane, sources.chainBlock, header.windowEnd, slices);
    return { plan, problems: differences({ header, sources }, plan) };
  }

  async #slice(committed: FeedState["committed"], toSeq: bigint, limit: number): Promise<Feed> {
    const { gateway, seq, hash } = committed;
    const events = await this.#context.feeds.candidates(gateway, seq, toSeq, limit);
    return { gateway, fromSeq: seq, fromHash: hash, events };
  }

  async #build(
    lane: LanePosition,
    chainBlock: bigint,
    windowEndMs: bigint,
    slices: readonly Feed[],
  ): Promise<Plan | null> {
    const { set, domains, chain, batches, feeds } = this.#context;
    const candidates = slices.flatMap(({ events }) => events);
    if (candidates.length === 0) return null;
    const jobs: Job[] = [];
    for (const { gateway, events } of slices) {
      const jobIds = [...new Set(events.map(({ jobId }) => jobId))];
      jobs.push(...(await feeds.jobsOf(gateway, jobIds)).values());
    }
    const facts = await readFacts({ chain, batches }, chainBlock, candidates, jobs);
    return planBatch({
      domain: domains.usageReceipts,
      laneId: set.laneId,
      lane,
      chainBlock,
      windowEndMs,
      feeds: slices,
      facts,
    });
  }
}

/** The window ends before what was not looked at, as it does before what finds no room in a full batch. */
const endOfSeen = (slices: readonly Feed[], limit: number, startMs: bigint, endMs: bigint): bigint =>
  slices.reduce((soonestMs, { events }) => {
    const lastMs = events.length < limit ? undefined : events.at(-1)?.recordedAtMs;
    return lastMs !== undefined && lastMs > startMs && lastMs < soonestMs ? lastMs : soonestMs;
  }, endMs);
