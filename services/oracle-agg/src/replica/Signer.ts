import { BatchHeader, Sources, ThresholdBls } from "@tac/protocol";
import type { Hex } from "viem";
import { ChainUnavailable, type Lane } from "../chain/ChainPort.ts";
import type { PartialAnswer, Proposal } from "../peers/PeerPort.ts";
import type { Plan } from "../rules/plan.ts";
import { acceptsView, leaderOf, turnAt } from "../rules/schedule.ts";
import { contentOf } from "../store/content.ts";
import { type Builder, MAX_EVENTS } from "./Builder.ts";
import type { ChainFollower } from "./ChainFollower.ts";
import type { Committer } from "./Committer.ts";
import { type Context, holdsLaneKey } from "./Context.ts";

/** The replica does not sign the proposal; the proposer learns why. */
export class ProposalRefused extends Error {
  override name = "ProposalRefused";
  readonly reasons: readonly string[];
  constructor(reasons: readonly string[]) {
    super(reasons.join("; "));
    this.reasons = reasons;
  }
}

/** Nodes keep the state of some 128 blocks; a proposal pinned further back cannot be checked. */
const MAX_BLOCK_AGE = 100n;
const CATCH_UP_MS = 1_500;

/** Checks a peer's proposal against this replica's own store and the chain, and signs it or says why not. */
export class Signer {
  readonly #context: Context;
  readonly #follower: ChainFollower;
  readonly #committer: Committer;
  readonly #builder: Builder;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(context: Context, follower: ChainFollower, committer: Committer, builder: Builder) {
    this.#context = context;
    this.#follower = follower;
    this.#committer = committer;
    this.#builder = builder;
  }

  /** Answers the proposal of a peer. Throws ProposalRefused. Proposals are answered one after the other. */
  answer(peer: number, proposal: Proposal): Promise<PartialAnswer> {
    const work = this.#turn.then(() => this.#answer(peer, proposal));
    // A refused proposal must not fail the one behind it; its own caller gets the error.
    this.#turn = work.catch(() => undefined);
    return work;
  }

  async #answer(peer: number, proposal: Proposal): Promise<PartialAnswer> {
    const { set, replica } = this.#context;
    const expected = leaderOf(proposal.header.batchNumber, proposal.view, set.replicas.length);
    if (expected !== peer) throw new ProposalRefused([`replica ${expected} leads this view, not ${peer}`]);
    try {
      await this.#assertView(proposal);
      const partialSignature = await this.sign(proposal);
      return { replica, partialSignature };
    } catch (error) {
      if (error instanceof ChainUnavailable) throw new ProposalRefused(["our chain endpoints do not answer"]);
      throw error;
    }
  }

  /**
   * Validates a proposal whoever sent it, stores it, and returns this replica's partial signature. The store holds one
   * header per view, so that no second one can be signed, also after a restart.
   */
  async sign(proposal: Proposal): Promise<Hex> {
    const { header, sources, view } = proposal;
    const { batches, domains, key } = this.#context;
    const batchHash = BatchHeader.hash(header, domains.usageReceipts);
    const earlier = await batches.proposal(header.batchNumber, batchHash);
    const lane = await this.#assertHeader(proposal);
    const content = earlier === null ? contentOf(await this.#assertContent(proposal, lane, batchHash)) : null;
    const partialSignature = earlier?.partialSignature ?? ThresholdBls.partialSign(batchHash, key.share);
    const held = await batches.saveProposal({ view, batchHash, header, sources, partialSignature }, content);
    if (held !== batchHash) throw new ProposalRefused(["another header was signed in this view"]);
    return partialSignature;
  }

  async #assertView({ header, view }: Proposal): Promise<void> {
    const { feeds, batches, set, windowMs, leaderTimeoutMs, nowMs } = this.#context;
    const oldestPendingMs = (await feeds.oldestPendingMs()) ?? nowMs();
    const turn = turnAt(
      {
        batchNumber: header.batchNumber,
        replicaCount: set.replicas.length,
        lastWindowEndMs: header.windowStart,
        oldestPendingMs,
        windowMs,
        leaderTimeoutMs,
      },
      nowMs(),
    );
    const [newest] = await batches.proposals(header.batchNumber);
    const own = { currentView: turn?.view ?? 0n, highestAnsweredView: newest?.view ?? null };
    if (!acceptsView(view, own))
      throw new ProposalRefused([`we are in view ${own.currentView}, not ${view}`]);
  }

  async #assertHeader({ header, sources }: Proposal): Promise<Lane> {
    const { chain, set, batches } = this.#context;
    const followed = await this.#catchUp(sources.chainBlock);
    const lane = await chain.laneOf(set.laneId, followed);
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
      "we have not applied the previous batch yet",
    );
    check(sources.chainBlock <= followed, `we are at block ${followed} only`);
    check(
      sources.chainBlock >= (applied?.blockNumber ?? 0n),
      "pinned before the previous batch was committed",
    );
    check(sources.chainBlock + MAX_BLOCK_AGE >= followed, "pinned too far back");
    if (problems.length > 0) throw new ProposalRefused(problems);
    // State read before an event happened cannot tell whether the event was revoked or its lock released.
    if (header.windowEnd > (await chain.timeOf(sources.chainBlock)))
      throw new ProposalRefused(["the window ends after the pinned block"]);
    return lane;
  }

  async #assertContent(proposal: Proposal, lane: Lane, batchHash: Hex): Promise<Plan> {
    const { header, sources } = proposal;
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
    if (problems.length > 0) throw new ProposalRefused(problems);
    const rebuilt = await this.#builder.rebuild(lane, header, sources, states);
    if (rebuilt.problems.length > 0) throw new ProposalRefused(rebuilt.problems);
    if (rebuilt.plan === null || rebuilt.plan.batchHash !== batchHash)
      throw new ProposalRefused(["we build another header"]);
    return rebuilt.plan;
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
