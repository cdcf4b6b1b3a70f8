import { MAX_LOG_BLOCKS } from "../chain/viemChain.ts";
import { type FollowedBlock, KEPT_BLOCKS } from "../store/BatchStore.ts";
import type { Context } from "./Context.ts";

export type FollowerContext = Pick<
  Context,
  "chain" | "batches" | "set" | "deployment" | "metrics" | "logger"
>;

/** Brings the store up to the chain's head: locks, committed batches, line outcomes. */
export class ChainFollower {
  readonly #context: FollowerContext;
  #running: Promise<bigint> | null = null;
  #followed: bigint | null = null;

  constructor(context: FollowerContext) {
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

  /** Goes back to the last block that the chain still has, if it was reorganised; returns the block to go on with. */
  async #rewound(next: bigint, head: bigint): Promise<bigint> {
    const { chain, batches, deployment, metrics, logger } = this.#context;
    const isKept = async ({ number, hash }: FollowedBlock): Promise<boolean> => {
      const found = await chain.hashOf(number);
      // An endpoint that is behind the one asked before knows nothing of the block, and says nothing against it.
      return found === null || found === hash;
    };
    const [newest] = await batches.followedBlocks(1);
    if (newest === undefined) return next;
    if (newest.number <= head && (await isKept(newest))) return next;
    // A chain that became shorter shows what it lost as soon as it has another block at a height we know.
    const blocks = (await batches.followedBlocks(KEPT_BLOCKS)).filter(({ number }) => number <= head);
    if (blocks[0] === undefined || (await isKept(blocks[0]))) return next;
    // Blocks descend: the first that is kept is found by halving, because everything before a kept one is kept.
    let [gone, kept] = [0, blocks.length];
    while (kept - gone > 1) {
      const middle = (gone + kept) >> 1;
      const block = blocks[middle];
      if (block !== undefined && (await isKept(block))) kept = middle;
      else gone = middle;
    }
    const last = blocks[kept]?.number ?? deployment.startBlock - 1n;
    await batches.rewind(last);
    metrics.reorganisations.inc();
    logger.warn(
      { fromBlock: last + 1n, toBlock: next - 1n },
      "the chain was reorganised and is followed again",
    );
    return last + 1n;
  }

  async #follow(): Promise<bigint> {
    const { chain, batches, set, deployment, metrics } = this.#context;
    const head = await chain.head();
    let next = await batches.nextBlock(deployment.usageReceipts, deployment.startBlock);
    next = await this.#rewound(next, head);
    while (next <= head) {
      const last = next + MAX_LOG_BLOCKS - 1n < head ? next + MAX_LOG_BLOCKS - 1n : head;
      // The hash is read first: should the chain change in between, the next pass finds another one there.
      const hash = await chain.hashOf(last);
      if (hash === null) break;
      await batches.follow(set.laneId, await chain.events(next, last), { number: last, hash });
      next = last + 1n;
    }
    this.#followed = next - 1n;
    metrics.followedBlock.set(Number(this.#followed));
    return this.#followed;
  }
}
