import { type Logger, type Loop, type Pool, startLoop } from "@tac/kit";
import type { Hex } from "viem";
import type { JobStore } from "../jobs/JobStore.ts";
import type { RevocationStore } from "../revocation/RevocationStore.ts";
import type { NowMs } from "../StoreClock.ts";
import type { ChainPort, Revocation } from "./ChainPort.ts";

export type WatcherSettings = {
  startBlock: bigint;
  pollMs: number;
};

const CURSOR = "revocations";
// Blocks read again each time, and after a restart, so that a revocation moved by a short reorganisation is not missed.
const OVERLAP_BLOCKS = 10n;
/** What a start reads once more costs one question, and so the cursor is not worth a write for each block. */
const SAVED_EVERY_BLOCKS = 30n;

/** Follows revocations and releases on chain into the store, where every replica's holds see them. */
export class JobWatcher {
  readonly #chain: Pick<ChainPort, "jobChangesFrom">;
  readonly #jobs: Pick<JobStore, "markReleased">;
  readonly #revocations: Pick<RevocationStore, "recordChain">;
  readonly #onRevoked: () => Promise<void>;
  readonly #breakOff: (revocation: Revocation) => void;
  readonly #nowMs: NowMs;
  readonly #pool: Pool;
  readonly #logger: Logger;
  readonly #settings: WatcherSettings;
  #cursor: bigint | null = null;
  #savedCursor = 0n;
  #knownHead: Hex | null = null;
  #readAtMs = 0;
  #loop: Loop | null = null;

  constructor(deps: {
    chain: Pick<ChainPort, "jobChangesFrom">;
    jobs: Pick<JobStore, "markReleased">;
    revocations: Pick<RevocationStore, "recordChain">;
    /** Called once new revocations are in the store. */
    onRevoked: () => Promise<void>;
    /** Ends this replica's calls under what was revoked; called for each revocation, and again while its block is near. */
    breakOff: (revocation: Revocation) => void;
    nowMs: NowMs;
    pool: Pool;
    logger: Logger;
    settings: WatcherSettings;
  }) {
    this.#chain = deps.chain;
    this.#jobs = deps.jobs;
    this.#revocations = deps.revocations;
    this.#onRevoked = deps.onRevoked;
    this.#breakOff = deps.breakOff;
    this.#pool = deps.pool;
    this.#nowMs = deps.nowMs;
    this.#logger = deps.logger;
    this.#settings = deps.settings;
  }

  start(): void {
    const onError = (error: unknown): void =>
      this.#logger.warn({ err: error }, "revocations could not be read");
    this.#loop = startLoop({ idleMs: this.#settings.pollMs, onError }, async (signal) => {
      await this.poll(signal);
      return false;
    });
  }

  async stop(): Promise<void> {
    await this.#loop?.stop();
  }

  /** Everything on chain at this time, in Unix milliseconds, is in the store; 0 before the first time. */
  readAtMs(): number {
    return this.#readAtMs;
  }

  /** Reads up to the head of the chain once. */
  async poll(signal?: AbortSignal): Promise<void> {
    const startedAtMs = this.#nowMs();
    this.#cursor ??= await this.#loadCursor();
    for (let isCaughtUp = false; !isCaughtUp && !signal?.aborted; ) {
      const from: bigint = this.#cursor + 1n;
      const changes = await this.#chain.jobChangesFrom(from, this.#knownHead);
      if (changes === null) {
        this.#readAtMs = startedAtMs;
        return;
      }
      const { revocations, releasedJobIds, toBlock, headBlock, headHash } = changes;
      let isNew = false;
      for (const revocation of revocations) {
        const { tenant, jobId, revokedAtSeconds } = revocation;
        const jobIds = await this.#revocations.recordChain(tenant, jobId, revokedAtSeconds * 1000);
        this.#breakOff(revocation);
        isNew ||= jobIds.length > 0;
        if (jobIds.length > 0) this.#logger.info({ tenant, jobIds }, "capabilities revoked on chain");
      }
      if (isNew) await this.#onRevoked();
      if (releasedJobIds.length > 0) await this.#jobs.markReleased(releasedJobIds);
      if (toBlock >= this.#savedCursor + SAVED_EVERY_BLOCKS) await this.#saveCursor(toBlock);
      isCaughtUp = toBlock >= headBlock;
      // A call that began before a revocation may be known a moment after it was read, so that one is read once more.
      this.#knownHead = isCaughtUp && revocations.length === 0 ? headHash : null;
      this.#cursor = toBlock;
    }
    this.#cursor = this.#overlapped(this.#cursor);
    this.#readAtMs = startedAtMs;
  }

  #overlapped(cursor: bigint): bigint {
    const first = this.#settings.startBlock - 1n;
    return cursor - OVERLAP_BLOCKS > first ? cursor - OVERLAP_BLOCKS : first;
  }

  async #loadCursor(): Promise<bigint> {
    const { rows } = await this.#pool.query<{ block_number: bigint }>(
      "SELECT block_number FROM chain_cursors WHERE cursor_name = $1",
      [CURSOR],
    );
    return this.#overlapped(rows[0]?.block_number ?? 0n);
  }

  /** Replicas share the cursor, and a slower one must not put it back. */
  async #saveCursor(block: bigint): Promise<void> {
    await this.#pool.query(
      `INSERT INTO chain_cursors VALUES ($1, $2)
       ON CONFLICT (cursor_name) DO UPDATE
         SET block_number = greatest(chain_cursors.block_number, excluded.block_number)`,
      [CURSOR, block],
    );
    this.#savedCursor = block;
  }
}
