import type { BatchHeader } from "@tac/protocol";
import type { Hex } from "viem";
import type { Lane, LanePosition } from "../../src/chain/ChainPort.ts";
import type { Signed } from "../../src/protocol/Certificate.ts";
import type { SubmitOutcome } from "../../src/protocol/State.ts";
import type { Random } from "./Random.ts";
import type { Timeline } from "./Timeline.ts";

export type SimTransaction =
  | { kind: "lock"; jobId: Hex }
  | { kind: "batch"; from: number; signed: Signed; finalJobs: readonly Hex[]; isStuck: boolean };

export type ChainState = {
  lane: LanePosition;
  locked: ReadonlySet<Hex>;
  closed: ReadonlySet<Hex>;
  batches: readonly { hash: Hex; header: BatchHeader.BatchHeader }[];
};

type Block = { number: bigint; timeMs: bigint; transactions: SimTransaction[]; state: ChainState };

const BLOCK_MS = 2_000n;
const ZERO: Hex = `0x${"00".repeat(32)}`;

/** The rules of UsageReceipts that matter to a replica, in blocks that can be taken back. */
export class SimChain {
  readonly #timeline: Timeline;
  readonly #random: Random;
  readonly #isSigned: (batchHash: Hex, signature: Hex) => boolean;
  readonly #blocks: Block[];
  #pool: SimTransaction[] = [];
  isHalted = false;
  /** How likely a transaction offers too little and waits until it is replaced. */
  stuckChance = 0;
  reorganisations = 0;
  takenBack = 0;
  duplicates = 0;

  constructor(timeline: Timeline, random: Random, isSigned: (batchHash: Hex, signature: Hex) => boolean) {
    this.#timeline = timeline;
    this.#random = random;
    this.#isSigned = isSigned;
    const lane = {
      nextBatchNumber: 1n,
      lastWindowEnd: timeline.nowMs - 1_000n,
      keyEpoch: 1,
      lastBatchHash: ZERO,
    };
    const state = { lane, locked: new Set<Hex>(), closed: new Set<Hex>(), batches: [] };
    this.#blocks = [{ number: 1n, timeMs: timeline.nowMs, transactions: [], state }];
    this.#tick();
  }

  get head(): Block {
    const block = this.#blocks.at(-1);
    if (block === undefined) throw new Error("a chain has a first block");
    return block;
  }

  at(number: bigint): Block | null {
    return this.#blocks[Number(number) - 1] ?? null;
  }

  laneOf(number: bigint): Lane | null {
    const block = this.at(number);
    return block === null ? null : { ...block.state.lane, keyHash: ZERO };
  }

  lock(jobId: Hex): void {
    this.#pool.push({ kind: "lock", jobId });
  }

  /** A replica has one transaction waiting at most: a new one replaces it. */
  submit(from: number, signed: Signed, finalJobs: readonly Hex[]): SubmitOutcome {
    const { lane } = this.head.state;
    if (signed.draft.header.batchNumber !== lane.nextBatchNumber) {
      this.duplicates += 1;
      return "duplicate";
    }
    if (this.#refusal(signed, this.head.state)) return "refused";
    this.#pool = this.#pool.filter((one) => one.kind !== "batch" || one.from !== from);
    this.#pool.push({
      kind: "batch",
      from,
      signed,
      finalJobs,
      isStuck: this.#random.chance(this.stuckChance),
    });
    return "sent";
  }

  /** Replaces the last blocks by as many others. Locks come back at once; a batch may be dropped for good. */
  reorganise(depth: number): void {
    const taken = this.#blocks.splice(Math.max(1, this.#blocks.length - depth));
    if (taken.length === 0) return;
    this.reorganisations += 1;
    const kept = taken
      .flatMap(({ transactions }) => transactions)
      .filter((one) => one.kind === "lock" || this.#random.chance(0.3));
    this.takenBack += taken.flatMap(({ transactions }) => transactions).length - kept.length;
    this.#pool = [...kept, ...this.#pool];
    for (const { timeMs } of taken) this.#mine(timeMs, this.#random.chance(0.5));
  }

  #tick(): void {
    this.#timeline.after(BLOCK_MS, () => {
      if (!this.isHalted) this.#mine(this.#timeline.nowMs, false);
      this.#tick();
    });
  }

  #mine(timeMs: bigint, isLocksOnly: boolean): void {
    let { state } = this.head;
    const transactions: SimTransaction[] = [];
    const waiting: SimTransaction[] = [];
    for (const one of this.#pool) {
      if (one.kind === "batch" && (one.isStuck || isLocksOnly)) {
        waiting.push(one);
        continue;
      }
      const next = this.#apply(state, one);
      // A duplicate is mined and reverts.
      if (next === null) continue;
      state = next;
      transactions.push(one);
    }
    this.#pool = waiting;
    this.#blocks.push({ number: this.head.number + 1n, timeMs, transactions, state });
  }

  #apply(state: ChainState, one: SimTransaction): ChainState | null {
    if (one.kind === "lock") return { ...state, locked: new Set(state.locked).add(one.jobId) };
    if (this.#refusal(one.signed, state)) return null;
    const { draft, batchHash } = one.signed;
    const { header } = draft;
    return {
      ...state,
      closed: one.finalJobs.length === 0 ? state.closed : new Set([...state.closed, ...one.finalJobs]),
      lane: {
        keyEpoch: state.lane.keyEpoch,
        nextBatchNumber: header.batchNumber + 1n,
        lastWindowEnd: header.windowEnd,
        lastBatchHash: batchHash,
      },
      batches: [...state.batches, { hash: batchHash, header }],
    };
  }

  #refusal({ draft, batchHash, signature }: Signed, { lane }: ChainState): boolean {
    const { header } = draft;
    return (
      header.keyEpoch !== lane.keyEpoch ||
      header.batchNumber !== lane.nextBatchNumber ||
      header.windowStart !== lane.lastWindowEnd ||
      header.previousBatchHash !== lane.lastBatchHash ||
      !this.#isSigned(batchHash, signature)
    );
  }
}
