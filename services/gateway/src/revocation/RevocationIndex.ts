import type { RevocationList } from "@tac/protocol";
import type { Hex } from "viem";

/** The revocations a process knows, in memory: bounded, because an entry leaves when its capability has expired. */
export class RevocationIndex {
  #bySeq: RevocationList.Entry[] = [];
  readonly #jobIds = new Set<Hex>();
  #headSeq = 0n;

  get headSeq(): bigint {
    return this.#headSeq;
  }

  get size(): number {
    return this.#bySeq.length;
  }

  has(jobId: Hex): boolean {
    return this.#jobIds.has(jobId);
  }

  /** Adds entries that follow the head, in order; `headSeq` may be ahead of the last, when later ones have expired. */
  add(entries: readonly RevocationList.Entry[], headSeq: bigint): void {
    for (const entry of entries) {
      if (entry.seq <= this.#headSeq) continue;
      this.#bySeq.push(entry);
      this.#jobIds.add(entry.jobId);
      this.#headSeq = entry.seq;
    }
    if (headSeq > this.#headSeq) this.#headSeq = headSeq;
  }

  /** Up to `limit` entries after a number. */
  after(seq: bigint, limit: number): RevocationList.Entry[] {
    let low = 0;
    let high = this.#bySeq.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#bySeq[middle]?.seq ?? 0n) <= seq) low = middle + 1;
      else high = middle;
    }
    return this.#bySeq.slice(low, low + limit);
  }

  forgetExpired(nowMs: number): void {
    const now = BigInt(nowMs);
    const expired = this.#bySeq.filter(({ expiresAtMs }) => expiresAtMs <= now);
    if (expired.length === 0) return;
    for (const { jobId } of expired) this.#jobIds.delete(jobId);
    this.#bySeq = this.#bySeq.filter(({ expiresAtMs }) => expiresAtMs > now);
  }
}
