import { BatchHeader, ThresholdBls } from "@tac/protocol";
import type { Hex } from "viem";
import { type Lane, SubmitRefused } from "../chain/ChainPort.ts";
import type { Proposal, SignedBatch } from "../peers/PeerPort.ts";
import { leaderOf, type Turn, turnAt } from "../rules/schedule.ts";
import type { StoredProposal } from "../store/batchRows.ts";
import { contentOf } from "../store/content.ts";
import type { Builder } from "./Builder.ts";
import type { ChainFollower } from "./ChainFollower.ts";
import type { Committer } from "./Committer.ts";
import { type Context, describe, holdsLaneKey } from "./Context.ts";
import { type Collected, collect } from "./collect.ts";
import { ProposalRefused, type Signer } from "./Signer.ts";

/** In how many views after its first an unfinished proposal is still proposed again. */
const TAKEN_UP_VIEWS = 3n;

/** The contract may accept the same batch later, or already has. */
const PASSING_REFUSALS = new Set([
  "UsageReceipts_WrongBatchNumber",
  "UsageReceipts_WindowInFuture",
  "UsageReceipts_Paused",
]);

export type LeaderParts = { follower: ChainFollower; committer: Committer; builder: Builder; signer: Signer };

/** Proposes the lane's next batch when it is this replica's turn, gathers signatures and submits. */
export class Leader {
  readonly #context: Context;
  readonly #parts: LeaderParts;
  /** When this process last sent a batch, so that it does not crowd the mempool while a transaction waits. */
  readonly #sentAtMs = new Map<Hex, bigint>();
  /** Since when the chain lacks a batch it had before. */
  #lostSinceMs: bigint | null = null;
  /** Batches the contract refused for good; the lane must not wait for them. */
  readonly #refused = new Set<Hex>();

  constructor(context: Context, parts: LeaderParts) {
    this.#context = context;
    this.#parts = parts;
  }

  /** One look at the lane: does nothing unless a batch is due and this replica leads the current view. */
  async step(): Promise<void> {
    const { chain, set, replica, feeds, batches } = this.#context;
    await this.#parts.committer.commitAll();
    const followed = this.#parts.follower.followed ?? (await this.#parts.follower.follow());
    const lane = await chain.laneOf(set.laneId, followed);
    if (!holdsLaneKey(this.#context, lane)) return;
    const applied = await batches.lastApplied();
    if (applied !== null && lane.nextBatchNumber <= applied.batchNumber) return this.#submitLost(lane);
    this.#lostSinceMs = null;
    if ((applied?.batchNumber ?? 0n) + 1n !== lane.nextBatchNumber) return;
    const oldestPendingMs = await feeds.oldestPendingMs();
    if (oldestPendingMs === null) return;
    const turn = this.#turnOf(lane, oldestPendingMs);
    if (turn === null || turn.leader !== replica) return;

    const proposals = await batches.proposals(lane.nextBatchNumber);
    const signed = proposals.find(
      (proposal) =>
        proposal.groupSignature !== null &&
        continues(proposal, lane) &&
        !this.#refused.has(proposal.batchHash),
    );
    if (signed !== undefined) return this.#submitAgain(signed, turn);
    const proposal = await this.#proposalFor(lane, turn, followed, proposals);
    if (proposal === null) return;
    const collected = await this.#collect(proposal, turn);
    if (collected !== null) await this.#submit(proposal, collected);
  }

  #turnOf(lane: Lane, oldestPendingMs: bigint): Turn | null {
    const { set, windowMs, leaderTimeoutMs, nowMs } = this.#context;
    const schedule = {
      batchNumber: lane.nextBatchNumber,
      replicaCount: set.replicas.length,
      lastWindowEndMs: lane.lastWindowEnd,
      oldestPendingMs,
      windowMs,
      leaderTimeoutMs,
    };
    return turnAt(schedule, nowMs());
  }

  /** What to propose in this view: our own proposal of it, else an unfinished one of an earlier view, else a new one. */
  async #proposalFor(
    lane: Lane,
    turn: Turn,
    followed: bigint,
    own: readonly StoredProposal[],
  ): Promise<Proposal | null> {
    const current = own.find(({ view }) => view === turn.view);
    if (current !== undefined)
      return continues(current, lane) && !this.#refused.has(current.batchHash)
        ? { header: current.header, sources: current.sources, view: turn.view }
        : null;
    for (const unfinished of await this.#unfinished(lane, turn, own)) {
      try {
        await this.#parts.signer.sign({ ...unfinished, view: turn.view });
        return { ...unfinished, view: turn.view };
      } catch (error) {
        if (!(error instanceof ProposalRefused)) throw error;
        this.#context.logger.info(
          { view: unfinished.view, reasons: error.reasons },
          "earlier proposal not taken up",
        );
      }
    }
    return this.#fresh(lane, turn, followed);
  }

  async #unfinished(lane: Lane, turn: Turn, own: readonly StoredProposal[]): Promise<Proposal[]> {
    if (turn.view === 0n) return [];
    const asked = await Promise.allSettled(
      this.#context.peers.map((peer) => peer.proposals(lane.nextBatchNumber)),
    );
    const learnt = asked.flatMap((outcome) => (outcome.status === "fulfilled" ? outcome.value : []));
    const { domains } = this.#context;
    const firstViews = new Map<Hex, bigint>();
    const newest = new Map<Hex, Proposal>();
    for (const proposal of [
      ...own.map(({ header, sources, view }) => ({ header, sources, view })),
      ...learnt,
    ]) {
      const hash = BatchHeader.hash(proposal.header, domains.usageReceipts);
      if (!continues(proposal, lane) || this.#refused.has(hash)) continue;
      const firstView = firstViews.get(hash);
      if (firstView === undefined || proposal.view < firstView) firstViews.set(hash, proposal.view);
      if ((newest.get(hash)?.view ?? -1n) < proposal.view) newest.set(hash, proposal);
    }
    // What several leaders in a row could not get signed is not held on to, lest one bad proposal stop the lane.
    return [...newest]
      .filter(([hash]) => turn.view <= (firstViews.get(hash) ?? 0n) + TAKEN_UP_VIEWS)
      .map(([, proposal]) => proposal)
      .sort((left, right) => (left.view > right.view ? -1 : 1))
      .slice(0, 3);
  }

  async #fresh(lane: Lane, turn: Turn, followed: bigint): Promise<Proposal | null> {
    const { batches, chain, key } = this.#context;
    const windowEndMs = await chain.timeOf(followed);
    if (windowEndMs <= lane.lastWindowEnd) return null;
    const plan = await this.#parts.builder.plan(lane, followed, windowEndMs);
    if (plan === null) return null;
    const { batch, batchHash } = plan;
    const { header, sources } = batch;
    const partialSignature = ThresholdBls.partialSign(batchHash, key.share);
    const proposal = { view: turn.view, batchHash, header, sources, partialSignature };
    const held = await batches.saveProposal(proposal, contentOf(plan));
    // Somebody's proposal of this very view was signed between the look and the write; it will be found next time.
    if (held !== batchHash) return null;
    return { header, sources, view: turn.view };
  }

  async #collect(proposal: Proposal, turn: Turn): Promise<Collected | null> {
    const { replica, set, key, peers, domains, batches, leaderTimeoutMs, nowMs, logger, metrics } =
      this.#context;
    const batchHash = BatchHeader.hash(proposal.header, domains.usageReceipts);
    const stored = (await batches.proposals(proposal.header.batchNumber)).find(
      (one) => one.batchHash === batchHash,
    );
    if (stored === undefined) throw new Error("A proposal must be stored before it is sent.");
    const leftMs = Number(turn.leaderSinceMs + leaderTimeoutMs - nowMs());
    const timeoutMs = Math.max(1_000, leftMs);
    const answers = [
      { replica, answer: Promise.resolve({ replica, partialSignature: stored.partialSignature }) },
      ...peers.map((peer) => ({ replica: peer.id, answer: peer.propose(proposal, timeoutMs) })),
    ];
    const { batchNumber, receiptCount } = proposal.header;
    logger.debug({ batchNumber, view: proposal.view, receiptCount, batchHash }, "batch proposed");
    for (const { replica: id, answer } of answers)
      answer.then(
        () => metrics.signerUp.set({ replica: String(id) }, 1),
        () => metrics.signerUp.set({ replica: String(id) }, 0),
      );
    const collected = await collect({
      batchHash,
      threshold: set.threshold,
      groupPublicKey: key.groupPublicKey,
      publicShares: key.publicShares,
      answers,
      onFailure: (id, error) =>
        logger.warn(
          { replica: id, batchNumber, view: proposal.view, reason: describe(error) },
          "no signature",
        ),
      onBad: (id) => {
        metrics.badPartials.inc({ replica: String(id) });
        metrics.signerUp.set({ replica: String(id) }, 0);
        logger.error({ replica: id, batchNumber }, "replica sent a partial signature that does not verify");
      },
    });
    if (collected !== null) await batches.saveSignature(batchHash, collected.signature, collected.partials);
    return collected;
  }

  async #submit(proposal: Proposal, { signature, partials }: Collected): Promise<void> {
    const { batches, domains } = this.#context;
    const batchHash = BatchHeader.hash(proposal.header, domains.usageReceipts);
    const stored = (await batches.proposals(proposal.header.batchNumber)).find(
      (one) => one.batchHash === batchHash,
    );
    if (stored === undefined) throw new Error("A signed proposal must be stored.");
    await this.#send({ ...stored, groupSignature: signature, partials });
  }

  /** The leader of a later view submits what an earlier one got signed, after leaving its transaction a view of time. */
  async #submitAgain(signed: StoredProposal, turn: Turn): Promise<void> {
    const { nowMs, leaderTimeoutMs } = this.#context;
    const wait = signed.transactionHash === null ? 0n : 2n;
    const sentAtMs = this.#sentAtMs.get(signed.batchHash) ?? 0n;
    if (turn.view < signed.view + wait || nowMs() < sentAtMs + leaderTimeoutMs) return;
    await this.#send(signed);
  }

  /**
   * A reorganisation deeper than the confirmations took back a batch that replicas applied. It is as valid as before, so
   * they submit it again, one after the other until it is in.
   */
  async #submitLost(lane: Lane): Promise<void> {
    const { batches, chain, key, set, replica, leaderTimeoutMs, nowMs, logger, metrics } = this.#context;
    const number = lane.nextBatchNumber;
    this.#lostSinceMs ??= nowMs();
    const view = (nowMs() - this.#lostSinceMs) / leaderTimeoutMs;
    if (leaderOf(number, view, set.replicas.length) !== replica) return;
    const body = await batches.batch(number);
    if (body === null || body.signature === null || !continues(body, lane)) return;
    const sentAtMs = this.#sentAtMs.get(body.batchHash) ?? 0n;
    if (nowMs() < sentAtMs + leaderTimeoutMs) return;
    this.#sentAtMs.set(body.batchHash, nowMs());
    logger.error({ batchNumber: number, batchHash: body.batchHash }, "the chain lost a batch");
    const { header, lines, signature } = body;
    const transactionHash = await chain.submit({ header, lines, signature, publicKey: key.groupPublicKey });
    metrics.submissions.inc({ outcome: "sent" });
    logger.info({ batchNumber: number, transactionHash }, "lost batch submitted again");
  }

  async #send(signed: StoredProposal): Promise<void> {
    const { chain, batches, key, peers, logger, metrics } = this.#context;
    const { header, batchHash, groupSignature, partials } = signed;
    if (groupSignature === null) throw new Error("Only a signed batch is submitted.");
    this.#sentAtMs.clear();
    this.#sentAtMs.set(batchHash, this.#context.nowMs());
    const announcement: SignedBatch = {
      batchNumber: header.batchNumber,
      batchHash,
      signature: groupSignature,
      partials,
      transactionHash: null,
    };
    const content = await batches.contentOf(header.batchNumber, batchHash);
    if (content === null) {
      // A later batch can hold the same; waiting for this one would stop the lane.
      this.#refused.add(batchHash);
      logger.warn({ batchNumber: header.batchNumber, batchHash }, "what the signed batch holds is gone");
      return;
    }
    try {
      const transactionHash = await chain.submit({
        header,
        lines: content.lines,
        signature: groupSignature,
        publicKey: key.groupPublicKey,
      });
      announcement.transactionHash = transactionHash;
      await batches.saveTransaction(batchHash, transactionHash);
      metrics.submissions.inc({ outcome: "sent" });
      logger.info({ batchNumber: header.batchNumber, batchHash, transactionHash }, "batch submitted");
    } catch (error) {
      metrics.submissions.inc({ outcome: error instanceof SubmitRefused ? "refused" : "failed" });
      const isDuplicate = error instanceof SubmitRefused && error.reason === "UsageReceipts_WrongBatchNumber";
      if (error instanceof SubmitRefused && !PASSING_REFUSALS.has(error.reason)) this.#refused.add(batchHash);
      if (isDuplicate) logger.info({ batchNumber: header.batchNumber }, "another replica was faster");
      else logger.error({ err: error, batchNumber: header.batchNumber }, "batch could not be submitted");
    }
    // Told also when the submission failed: any replica may submit what the group signed.
    const told = await Promise.allSettled(peers.map((peer) => peer.announce(announcement)));
    told.forEach((outcome, index) => {
      if (outcome.status === "rejected")
        logger.debug(
          { replica: peers[index]?.id, reason: describe(outcome.reason) },
          "peer not told of the signature",
        );
    });
  }
}

const continues = ({ header }: { header: BatchHeader.BatchHeader }, lane: Lane): boolean =>
  header.batchNumber === lane.nextBatchNumber &&
  header.previousBatchHash === lane.lastBatchHash &&
  header.windowStart === lane.lastWindowEnd &&
  header.keyEpoch === lane.keyEpoch;
