import { setTimeout as sleep } from "node:timers/promises";
import type { Broadcast, Logger } from "@tac/kit";
import { Errors, RevocationList } from "@tac/protocol";
import type { Hex } from "viem";
import { z } from "zod";
import type { NowMs } from "../StoreClock.ts";
import { RevocationIndex } from "./RevocationIndex.ts";
import type { RevocationStore } from "./RevocationStore.ts";

export type FeedSettings = {
  /** Names this run of this replica on the channel. */
  nodeId: string;
  /** Milliseconds between two heartbeats. */
  beatMs: number;
  /** Calls are refused when the last heartbeat that came back is older. */
  maxAgeMs: number;
};

const REVOKED = "revoked";
const FORGET_MS = 60_000;
const beatSchema = z.object({ sentAtMs: z.number(), headSeq: z.string() });

/**
 * The revocations as this replica knows them. A message on the channel only wakes: what was revoked is always read from
 * the store, after the last number read, so none is lost however many messages are. The replica also sends itself a
 * heartbeat that names the newest revocation. When heartbeats stay away, be it the store or the channel that is gone,
 * the list is too old and the replica lets no call through, until a beat has come back and everything was read again.
 */
export class RevocationFeed {
  readonly #store: Pick<RevocationStore, "headSeq" | "after">;
  readonly #broadcast: Broadcast;
  readonly #chainReadAtMs: () => number;
  readonly #nowMs: NowMs;
  readonly #logger: Logger;
  readonly #settings: FeedSettings;
  readonly #stopping = new AbortController();
  readonly #waiting = new Set<() => void>();
  #index = new RevocationIndex();
  #completeAtMs = 0;
  #forgottenAtMs = 0;
  #waitingRead: Promise<void> | null = null;
  #turn: Promise<void> = Promise.resolve();
  #ended: Promise<void> = Promise.resolve();

  /** `chainReadAtMs`: everything revoked on chain by that time, in Unix milliseconds, is in the store. */
  constructor(deps: {
    store: Pick<RevocationStore, "headSeq" | "after">;
    broadcast: Broadcast;
    chainReadAtMs: () => number;
    nowMs: NowMs;
    logger: Logger;
    settings: FeedSettings;
  }) {
    this.#store = deps.store;
    this.#broadcast = deps.broadcast;
    this.#chainReadAtMs = deps.chainReadAtMs;
    this.#nowMs = deps.nowMs;
    this.#logger = deps.logger;
    this.#settings = deps.settings;
  }

  async start(): Promise<void> {
    await this.#broadcast.subscribe(REVOKED, () => this.#inBackground(this.#catchUp()));
    await this.#broadcast.subscribe(`beat-${this.#settings.nodeId}`, (payload) =>
      this.#inBackground(this.#takeBeat(payload)),
    );
    await this.#readAll();
    this.#ended = this.#beat();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    for (const wake of this.#waiting) wake();
    await this.#ended;
  }

  isRevoked(jobId: Hex): boolean {
    return this.#index.has(jobId);
  }

  /** Nothing revoked before this time, in Unix milliseconds, is missing: neither by API nor on chain. */
  completeAtMs(): number {
    return Math.min(this.#completeAtMs, this.#chainReadAtMs());
  }

  /** Errors: `revocations_unavailable`, `chain_unavailable`. */
  assertFresh(): void {
    const oldest = this.#nowMs() - this.#settings.maxAgeMs;
    if (this.#completeAtMs < oldest) {
      throw Errors.fromCode("revocations_unavailable", {
        detail: "This replica has lost the channel on which revocations come, so no call is let through.",
      });
    }
    if (this.#chainReadAtMs() < oldest) {
      throw Errors.fromCode("chain_unavailable", {
        detail: "Revocations cannot be read from the chain, so no call is let through.",
      });
    }
  }

  /** Called once a revocation is committed: applies it here and wakes all others. Those that sleep on hear the next beat. */
  async announce(): Promise<void> {
    await this.#catchUp();
    await this.#broadcast.publish(REVOKED, {}).catch((error: unknown) => {
      this.#logger.warn(
        { err: error },
        "a revocation could not be pushed; replicas learn of it with their next beat",
      );
    });
  }

  /** A stretch of the list after a number, with what its head says. */
  page(afterSeq: bigint): { entries: RevocationList.Entry[]; toSeq: bigint; headSeq: bigint } {
    const { headSeq } = this.#index;
    const entries = this.#index.after(afterSeq, RevocationList.MAX_ENTRIES);
    const isLast = entries.length < RevocationList.MAX_ENTRIES;
    return { entries, toSeq: isLast ? headSeq : (entries.at(-1)?.seq ?? headSeq), headSeq };
  }

  /** Resolves when something after the number is known, or the time is over. */
  async waitAfter(afterSeq: bigint, waitMs: number): Promise<void> {
    if (waitMs <= 0 || this.#index.headSeq > afterSeq || this.#stopping.signal.aborted) return;
    await new Promise<void>((resolve) => {
      const wake = (): void => {
        clearTimeout(timer);
        this.#waiting.delete(wake);
        resolve();
      };
      const timer = setTimeout(wake, waitMs);
      this.#waiting.add(wake);
    });
  }

  get waitingCount(): number {
    return this.#waiting.size;
  }

  get size(): number {
    return this.#index.size;
  }

  async #beat(): Promise<void> {
    const { nodeId, beatMs } = this.#settings;
    while (!this.#stopping.signal.aborted) {
      try {
        const sentAtMs = this.#nowMs();
        const headSeq = (await this.#store.headSeq()).toString();
        await this.#broadcast.publish(`beat-${nodeId}`, { sentAtMs, headSeq });
      } catch (error) {
        this.#logger.warn({ err: error }, "a heartbeat of the revocation channel could not be sent");
      }
      await sleep(beatMs, undefined, { signal: this.#stopping.signal }).catch((error: unknown) => {
        if (!this.#stopping.signal.aborted) throw error;
      });
    }
  }

  async #takeBeat(payload: unknown): Promise<void> {
    const { sentAtMs, headSeq } = beatSchema.parse(payload);
    const wasLost = this.#completeAtMs < sentAtMs - this.#settings.maxAgeMs;
    if (wasLost) await this.#readAll();
    else if (BigInt(headSeq) > this.#index.headSeq) await this.#catchUp();
    if (sentAtMs > this.#completeAtMs) this.#completeAtMs = sentAtMs;
    if (this.#nowMs() - this.#forgottenAtMs < FORGET_MS) return;
    this.#forgottenAtMs = this.#nowMs();
    this.#index.forgetExpired(this.#forgottenAtMs);
  }

  /** Reads what came since. Whoever asks while a read still waits for its turn shares it. */
  #catchUp(): Promise<void> {
    this.#waitingRead ??= this.#inTurn(() => {
      this.#waitingRead = null;
      return this.#readAfter(this.#index);
    });
    return this.#waitingRead;
  }

  /** Reads everything anew beside what is known, so that no entry is unknown for a moment. */
  #readAll(): Promise<void> {
    return this.#inTurn(async () => {
      const index = new RevocationIndex();
      await this.#readAfter(index);
      this.#index = index;
    });
  }

  /** One read after the other, or a slow one could put an older index in the place of a newer. */
  #inTurn(work: () => Promise<void>): Promise<void> {
    const result = this.#turn.then(work, work);
    this.#turn = result.catch(() => undefined);
    return result;
  }

  async #readAfter(index: RevocationIndex): Promise<void> {
    const headSeq = await this.#store.headSeq();
    if (headSeq > index.headSeq) index.add(await this.#store.after(index.headSeq, this.#nowMs()), headSeq);
    for (const wake of [...this.#waiting]) wake();
  }

  #inBackground(work: Promise<void>): void {
    work.catch((error: unknown) => {
      if (!this.#stopping.signal.aborted) this.#logger.warn({ err: error }, "revocations could not be read");
    });
  }
}
