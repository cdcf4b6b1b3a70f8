import { Sources } from "@tac/protocol";
import type { Hex } from "viem";
import { ChainUnavailable, type Lane } from "../chain/ChainPort.ts";
import type { Draft } from "../protocol/Certificate.ts";
import type { Plan } from "../rules/plan.ts";
import { type Builder, MAX_EVENTS } from "./Builder.ts";
import type { ChainFollower } from "./ChainFollower.ts";
import type { Committer } from "./Committer.ts";
import { type Context, holdsLaneKey } from "./Context.ts";

/** Nodes keep the state of some 128 blocks; a proposal pinned further back cannot be checked. */
const MAX_BLOCK_AGE = 100n;
const CATCH_UP_MS = 1_500;

export type Checked = { plan: Plan; problems: [] } | { plan: null; problems: string[] };

/** Recomputes a proposed batch from this replica's own store and its own view of the chain. */
export class Checker {
  readonly #context: Context;
  readonly #follower: ChainFollower;
  readonly #committer: Committer;
  readonly #builder: Builder;

  constructor(context: Context, follower: ChainFollower, committer: Committer, builder: Builder) {
    this.#context = context;
    this.#follower = follower;
    this.#committer = committer;
    this.#builder = builder;
  }

  /** The same batch built anew, or every reason why it is not what this replica would sign. */
  async check(draft: Draft, batchHash: Hex): Promise<Checked> {
    try {
      const followed = await this.#catchUp(draft.sources.chainBlock);
      const lane = await this.#context.chain.laneOf(this.#context.set.laneId, followed);
      const problems = await this.#headerProblems(draft, lane, followed);
      return problems.length > 0 ? { plan: null, problems } : await this.#content(draft, lane, batchHash);
    } catch (error) {
      if (error instanceof ChainUnavailable)
        return { plan: null, problems: ["our chain endpoints do not answer"] };
      throw error;
    }
  }

  async #headerProblems({ header, sources }: Draft, lane: Lane, followed: bigint): Promise<string[]> {
    const { chain, set, batches } = this.#context;
    const applied = await batches.lastApplied();
    const problems: string[] = [];
    const check = (isRight: boolean, problem: string): void => {
      if (!isRight) problems.push(problem);
    };
    check(header.laneId === set.laneId, "another lane");
    check(holdsLaneKey(this.#context, lane), "the lane's key is not the one we have a share of");
    check(header.keyEpoch === lane.keyEpoch, `the lane is in key epoch ${lane.keyEpoch}`);
    check(header.batchNumber === lane.nextBatchNumber, `the lane's next batch is ${lane.nextBatchNumber}`);
    check(header.windowStart === lane.lastWindowEnd, "the window does not adjoin the last one");
    check(header.previousBatchHash === lane.lastBatchHash, "the previous batch is another one");
    check(header.windowEnd > header.windowStart, "the window is empty");
    check(Sources.hash(sources) === header.sourcesHash, "the sources are not those of the header");
    check(
      (applied?.batchNumber ?? 0n) + 1n === header.batchNumber,
      "the previous batch is not the last we applied",
    );
    check(sources.chainBlock <= followed, `we are at block ${followed} only`);
    check(sources.chainBlock + MAX_BLOCK_AGE >= followed, "pinned too far back");
    if (problems.length > 0) return problems;
    // Asked of the chain itself, because a reorganisation may have moved the previous batch to a later block: where it is not
    // committed yet, a job that it closes is still open.
    const pinned = await chain.laneOf(set.laneId, sources.chainBlock);
    check(
      pinned.nextBatchNumber === header.batchNumber && pinned.lastBatchHash === header.previousBatchHash,
      "pinned before the previous batch was committed",
    );
    // State read before an event happened cannot tell whether the event was revoked or its lock released.
    check(
      header.windowEnd <= (await chain.timeOf(sources.chainBlock)),
      "the window ends after the pinned block",
    );
    return problems;
  }

  async #content(draft: Draft, lane: Lane, batchHash: Hex): Promise<Checked> {
    const { header, sources } = draft;
    await this.#pullTo(sources);
    const states = await this.#context.feeds.feeds();
    const problems = sources.ranges.flatMap(({ gateway, fromSeq, toSeq }) => {
      const state = states.find(({ pulled }) => pulled.gateway === gateway);
      if (state === undefined) return [`${gateway}: not one of our gateways`];
      if (state.committed.seq !== fromSeq)
        return [`${gateway}: batches cover events up to ${state.committed.seq}`];
      if (toSeq - fromSeq > BigInt(MAX_EVENTS)) return [`${gateway}: the range is too long`];
      if (state.pulled.seq < toSeq)
        return [`${gateway}: we have events up to ${state.pulled.seq} only${stopNote(state.stoppedReason)}`];
      return [];
    });
    if (problems.length > 0) return { plan: null, problems };
    const { plan, problems: found } = await this.#builder.rebuild(lane, header, sources, states);
    if (found.length > 0) return { plan: null, problems: found };
    if (plan === null || plan.batchHash !== batchHash)
      return { plan: null, problems: ["we build another header"] };
    return { plan, problems: [] };
  }

  async #catchUp(chainBlock: bigint): Promise<bigint> {
    const deadline = Date.now() + CATCH_UP_MS;
    let followed = await this.#follower.follow();
    while (followed < chainBlock && Date.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 100));
      followed = await this.#follower.follow();
    }
    await this.#committer.commitAll();
    return followed;
  }

  async #pullTo({ ranges }: Sources.Sources): Promise<void> {
    const deadline = Date.now() + CATCH_UP_MS;
    for (const { gateway, toSeq } of ranges) {
      const puller = this.#context.pullers.find(({ address }) => address === gateway);
      while (puller !== undefined && Date.now() < deadline) {
        const states = await this.#context.feeds.feeds();
        const state = states.find(({ pulled }) => pulled.gateway === gateway);
        if (state !== undefined && (state.pulled.seq >= toSeq || state.stoppedReason !== null)) break;
        try {
          await puller.pull();
        } catch (error) {
          this.#context.logger.warn({ err: error, gateway }, "feed could not be pulled for a proposal");
          break;
        }
      }
    }
  }
}

const stopNote = (reason: string | null): string => (reason === null ? "" : ` (stopped: ${reason})`);
