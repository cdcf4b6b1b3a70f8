import { MAX_LOG_BLOCKS } from "../chain/viemChain.ts";
import type { Context } from "./Context.ts";

/** Brings the store up to the chain's head: locks, committed batches, line outcomes. */
export class ChainFollower {
  readonly #context: Context;
  #running: Promise<bigint> | null = null;
  #followed: bigint | null = null;

  constructor(context: Context) {
    this.#context = context;
  }

  /** The newest block whose events are in the store; null before the first pass. */
  get followed(): bigint | null {
    return this.#followed;
  }

  /** Follows to the head and returns its number. Calls at the same time share one pass. */
  follow(): Promise<bigint> {
    this.#running ??= this.#follow().finally(() => {
      this.#running = null;
    });
    return this.#running;
  }

  async #follow(): Promise<bigint> {
    const { chain, batches, set, deployment, metrics } = this.#context;
    const head = await chain.head();
    let next = await batches.nextBlock(deployment.usageReceipts, deployment.startBlock);
    while (next <= head) {
      const last = next + MAX_LOG_BLOCKS - 1n < head ? next + MAX_LOG_BLOCKS - 1n : head;
      await batches.follow(set.laneId, await chain.events(next, last), last + 1n);
      next = last + 1n;
    }
    // An endpoint behind the one asked before must not move the replica back.
    if (this.#followed === null || next - 1n > this.#followed) this.#followed = next - 1n;
    metrics.followedBlock.set(Number(this.#followed));
    return this.#followed;
  }
}
