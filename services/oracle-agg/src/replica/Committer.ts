import { BatchHeader, Line, MerkleTree, Sources, ThresholdBls, UsageReceipt } from "@tac/protocol";
import type { PublicKeyOfEpoch } from "../keys/KeyShare.ts";
import { soundPartials, withShares } from "../keys/partials.ts";
import type { Application } from "../store/BatchStore.ts";
import type { Committed } from "../store/batchRows.ts";
import { type BatchBody, type BatchContent, contentOf } from "../store/content.ts";
import type { Builder } from "./Builder.ts";
import { type Context, describe } from "./Context.ts";
import { firstAnswer } from "./firstAnswer.ts";

/** Replicas tell gateways one after the other, because the first one's word is enough. */
const DELIVERY_STAGGER_MS = 1_500n;
/** A peer that hangs keeps a replica behind, and a set that has only t replicas left from settling, for no longer. */
const PATIENCE_MS = 500;

/** Applies batches the chain committed, in order: from what this replica recomputed, or else from a peer. */
export class Committer {
  readonly #context: Context;
  readonly #builder: Builder;
  #running: Promise<void> | null = null;
  /** The peer that last had a batch we lacked; it is asked first. */
  #helper: number | null = null;

  constructor(context: Context, builder: Builder) {
    this.#context = context;
    this.#builder = builder;
  }

  /** Applies all that can be applied now. Rejects when a batch's content cannot be had from anybody yet. */
  commitAll(): Promise<void> {
    this.#running ??= this.#commitAll().finally(() => {
      this.#running = null;
    });
    return this.#running;
  }

  async #commitAll(): Promise<void> {
    const { batches, votes, metrics, logger, set, replica, nowMs } = this.#context;
    for (let next = await batches.nextUnapplied(); next !== null; next = await batches.nextUnapplied()) {
      const application = await this.#applicationOf(next);
      const { batchNumber, receiptCount } = next.header;
      const count = BigInt(set.replicas.length);
      const rank = (BigInt(replica - 1) + count - (batchNumber % count)) % count;
      await batches.apply(next, application, nowMs() + rank * DELIVERY_STAGGER_MS);
      await votes.prune(batchNumber);
      metrics.batches.inc();
      this.#context.keys.onCommitted(next.header.keyEpoch);
      logger.info(
        { batchNumber, batchHash: next.batchHash, receiptCount, transactionHash: next.transactionHash },
        "batch committed",
      );
    }
  }

  async #applicationOf(committed: Committed): Promise<Application> {
    const { votes } = this.#context;
    const { batchNumber } = committed.header;
    const own = await votes.draft(batchNumber, committed.batchHash);
    if (own === null) {
      const body = await this.#fromPeers(committed);
      return { ...body, content: (await this.#rebuilt(committed, body.sources)) ?? body.content };
    }
    const { content } = own;
    const { sources } = own.draft;
    const signed = await this.#signed(committed);
    if (signed !== null) return { sources, content, ...signed };
    try {
      const { signature, partials: theirs } = await this.#fromPeers(committed);
      return { sources, content, signature, partials: theirs };
    } catch (error) {
      // The content is known and the chain verified the signature, so its bytes are not worth a standstill.
      this.#context.logger.warn({ err: error, batchNumber }, "no peer has the group's signature");
      return { sources, content, signature: null, partials: [] };
    }
  }

  /** The key the batch was signed with, which is not the present one when the set changed in between. */
  #keyOf(keyEpoch: number): PublicKeyOfEpoch | null {
    const { key, keys } = this.#context;
    return key.keyEpoch === keyEpoch ? key : keys.publicOf(keyEpoch);
  }

  /** The group's signature, if this replica had a part in it or was told, with who signed. */
  async #signed({
    header,
    batchHash,
  }: Committed): Promise<Pick<Application, "signature" | "partials"> | null> {
    const { votes } = this.#context;
    const key = this.#keyOf(header.keyEpoch);
    const records = await votes.records(header.batchNumber);
    const signed = records.find((record) => record.signed?.batchHash === batchHash)?.signed;
    if (signed === undefined || signed === null || key === null) return null;
    return {
      signature: signed.signature,
      partials: soundPartials(withShares(signed.partials, key), batchHash, key),
    };
  }

  async #fromPeers(committed: Committed): Promise<Application> {
    const { batchNumber } = committed.header;
    const peers = [...this.#context.peers].sort(
      (left, right) => Number(right.id === this.#helper) - Number(left.id === this.#helper),
    );
    const questions = peers.map((peer) => async () => {
      try {
        const application = this.#checked(await peer.batch(batchNumber), committed);
        this.#helper = peer.id;
        return application;
      } catch (error) {
        throw new Error(`replica ${peer.id}: ${describe(error)}`, { cause: error });
      }
    });
    try {
      return await firstAnswer(questions, PATIENCE_MS);
    } catch (error) {
      const problems = error instanceof AggregateError ? error.errors.map(describe) : [describe(error)];
      throw new Error(`No peer has batch ${batchNumber}: ${problems.join("; ")}`, { cause: error });
    }
  }

  #checked(body: BatchBody, committed: Committed): Application {
    const { domains } = this.#context;
    const { header } = committed;
    const key = this.#keyOf(header.keyEpoch);
    const leaves = body.receipts.map(({ receipt }) => UsageReceipt.leaf(receipt));
    const root = leaves.length === 0 ? header.receiptsRoot : MerkleTree.root(leaves);
    const isSame =
      BatchHeader.hash(body.header, domains.usageReceipts) === committed.batchHash &&
      Sources.hash(body.sources) === header.sourcesHash &&
      Line.hash(body.lines) === header.linesHash &&
      leaves.length === header.receiptCount &&
      root === header.receiptsRoot;
    if (!isSame) throw new Error("the batch is not the one the chain committed");
    const forged = body.receipts.find(
      ({ receipt, receiptSignature }) =>
        UsageReceipt.recover(receipt, receiptSignature, domains.usageReceipts) !== receipt.gateway,
    );
    if (forged !== undefined)
      throw new Error(`receipt ${forged.receipt.receiptId} is not signed by its gateway`);
    const isSigned =
      key !== null &&
      body.signature !== null &&
      ThresholdBls.verify(committed.batchHash, body.signature, key.groupPublicKey);
    return {
      sources: body.sources,
      content: { lines: body.lines, receipts: body.receipts, refused: [] },
      signature: isSigned ? body.signature : null,
      partials: isSigned ? soundPartials(body.partials, committed.batchHash, key) : [],
    };
  }

  /** What the batch holds, with the reasons for what it leaves out, built anew; null when that is not possible. */
  async #rebuilt(committed: Committed, sources: Sources.Sources): Promise<BatchContent | null> {
    const { feeds, logger, metrics } = this.#context;
    const { header } = committed;
    try {
      const states = await feeds.feeds();
      const hasAll = sources.ranges.every(({ gateway, fromSeq, toSeq }) =>
        states.some(
          ({ pulled, committed: cursor }) =>
            pulled.gateway === gateway && pulled.seq >= toSeq && cursor.seq === fromSeq,
        ),
      );
      if (!hasAll) return null;
      const lane = {
        nextBatchNumber: header.batchNumber,
        lastWindowEnd: header.windowStart,
        keyEpoch: header.keyEpoch,
        lastBatchHash: header.previousBatchHash,
      };
      const { plan, problems } = await this.#builder.rebuild(lane, header, sources, states);
      if (plan !== null && plan.batchHash === committed.batchHash) return contentOf(plan);
      metrics.divergences.inc();
      logger.error(
        { batchNumber: header.batchNumber, problems },
        "the group committed a batch we build otherwise",
      );
    } catch (error) {
      // Nodes keep the state of recent blocks only; the chain's batch stays right without our own copy.
      logger.warn({ err: error, batchNumber: header.batchNumber }, "a missed batch could not be built anew");
    }
    return null;
  }
}
