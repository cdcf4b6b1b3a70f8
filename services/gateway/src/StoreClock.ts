import type { Pool } from "@tac/kit";

/** Unix milliseconds, by whichever clock. */
export type NowMs = () => number;

const PROBES = 5;

/**
 * The store's clock as this process sees it: the one time that all replicas share, so that a machine whose own clock is
 * wrong neither dates receipts into the future, nor stalls the feed, nor takes another's lease. Between samples it goes on
 * by the monotonic clock, which nobody can set.
 */
export class StoreClock {
  readonly #pool: Pool;
  #offsetMs: number | null = null;

  constructor(pool: Pool) {
    this.#pool = pool;
  }

  /** Unix milliseconds; before the first sample the machine's own clock has to do. */
  readonly nowMs: NowMs = () =>
    this.#offsetMs === null ? Date.now() : Math.floor(performance.now() + this.#offsetMs);

  /**
   * Asks for the time a few times and believes the quickest answer, which is off by at most half of what it took; to be
   * called before the first use and every few seconds. Errors: the store's.
   */
  async sample(): Promise<void> {
    let best = { tookMs: Number.POSITIVE_INFINITY, offsetMs: 0 };
    for (let probe = 0; probe < PROBES; probe += 1) {
      const sentAt = performance.now();
      const { rows } = await this.#pool.query<{ now_ms: bigint }>("SELECT store_now_ms() AS now_ms");
      const tookMs = performance.now() - sentAt;
      const [row] = rows;
      if (row === undefined) throw new Error("The store did not tell the time");
      if (tookMs < best.tookMs) best = { tookMs, offsetMs: Number(row.now_ms) - (sentAt + tookMs / 2) };
    }
    this.#offsetMs = best.offsetMs;
  }
}
