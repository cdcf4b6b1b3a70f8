import { BatchHeader, Line, Tariff, ThresholdBls } from "@tac/protocol";
import { type Address, type Hex, keccak256 } from "viem";
import {
  type ChainEvent,
  type ChainPort,
  ChainUnavailable,
  type LanePosition,
  type LockFact,
  SubmitRefused,
} from "../../src/chain/ChainPort.ts";
import { domains, hex32, providerKeys, type TestJob, tariffOf } from "./World.ts";

const ZERO: Hex = `0x${"00".repeat(32)}`;
const CLOCK_SKEW_MS = 15_000n;
const BLOCK_MS = 100n;

/** The rules of UsageReceipts and the vault that matter to a replica; each transaction is a block of its own. */
export class TestChain {
  readonly events: ChainEvent[] = [];
  readonly submissions: { header: BatchHeader.BatchHeader; lines: Line.Line[] }[] = [];
  readonly locks = new Map<Hex, LockFact>();
  readonly gateways = new Map<Address, { enrolledAt: bigint; removedAt: bigint }>();
  readonly revocations = new Map<Hex, bigint>();
  publicKey: Hex;
  block = 1n;
  duplicates = 0;
  isDown = false;
  /** Set to stop blocks from being mined without a transaction. */
  isFrozen = false;
  /** Providers whose lines are not paid. */
  readonly inactive = new Set<number>();
  #beforeLast: (() => void) | null = null;
  readonly #times = new Map<bigint, bigint>([[1n, BigInt(Date.now())]]);
  readonly #hashes = new Map<bigint, Hex>([[1n, hex32()]]);
  #lane: LanePosition;

  constructor(groupPublicKey: Hex) {
    this.publicKey = groupPublicKey;
    const lastWindowEnd = BigInt(Date.now()) - 1_000n;
    this.#lane = { nextBatchNumber: 1n, lastWindowEnd, keyEpoch: 1, lastBatchHash: ZERO };
  }

  enrol(gateway: Address): void {
    this.gateways.set(gateway, { enrolledAt: BigInt(Math.floor(Date.now() / 1000) - 1_000), removedAt: 0n });
  }

  lock({ capability, capabilityHash }: TestJob): void {
    const { jobId, tenant, maxSpendNano } = capability;
    this.locks.set(jobId, { state: "open", tenant, maxSpendNano, remainingNano: maxSpendNano });
    this.#emit({ kind: "locked", jobId, capabilityHash });
  }

  settledNano(): bigint {
    return this.submissions.reduce((sum, { header }) => sum + header.totalNano, 0n);
  }

  port(): ChainPort {
    const read = async <T>(value: () => T): Promise<T> => {
      if (this.isDown) throw new ChainUnavailable("no endpoint answers");
      return value();
    };
    return {
      head: () => read(() => this.head()),
      hashOf: (block) => read(() => this.#hashes.get(block) ?? null),
      timeOf: (block) => read(() => this.#timeOf(block)),
      events: (from, to) =>
        read(() => this.events.filter(({ blockNumber }) => blockNumber >= from && blockNumber <= to)),
      laneOf: () => read(() => ({ ...this.#lane, keyHash: keccak256(this.publicKey) })),
      gatewayTerm: (gateway) => read(() => this.gateways.get(gateway) ?? { enrolledAt: 0n, removedAt: 0n }),
      lockOf: (jobId) =>
        read(
          () =>
            this.locks.get(jobId) ?? {
              state: "none",
              tenant: `0x${"00".repeat(20)}`,
              maxSpendNano: 0n,
              remainingNano: 0n,
            },
        ),
      revokedAt: ({ jobId }) => read(() => this.revocations.get(jobId) ?? 0n),
      signingKeyOf: (providerId) => read(() => providerKeys.get(providerId)?.address ?? null),
      tariffHashOf: (providerId) => read(() => Tariff.hash(tariffOf(providerId))),
      hasCode: () => read(() => false),
      submit: (batch) => read(() => this.#submit(batch)),
    };
  }

  /**
   * Replaces the blocks from the last batch on: the batch is gone, and locks made since are in an earlier block, together
   * with those of `unseen` jobs, which no replica has read.
   */
  reorganise(...unseen: TestJob[]): void {
    if (this.#beforeLast === null) throw new Error("There is no batch to take back.");
    const first = this.events.findLast(({ kind }) => kind === "batch-committed")?.blockNumber ?? 0n;
    const later = this.events.splice(this.events.findIndex(({ blockNumber }) => blockNumber >= first));
    this.#beforeLast();
    this.#beforeLast = null;
    for (let block = first; block <= this.block; block += 1n) this.#hashes.set(block, hex32());
    for (const event of later)
      if (event.kind === "locked") this.events.push({ ...event, blockNumber: first });
    for (const { capability, capabilityHash } of unseen) {
      const { jobId, tenant, maxSpendNano } = capability;
      this.locks.set(jobId, { state: "open", tenant, maxSpendNano, remainingNano: maxSpendNano });
      const at = { blockNumber: first, transactionHash: hex32(), logIndex: 0 };
      this.events.push({ ...at, kind: "locked", jobId, capabilityHash });
    }
    this.#mine();
  }

  /** The lane goes on in the next key epoch, with the same group key or another one. */
  nextEpoch(groupPublicKey: Hex = this.publicKey): void {
    this.publicKey = groupPublicKey;
    this.#lane = { ...this.#lane, keyEpoch: this.#lane.keyEpoch + 1 };
    this.#mine();
  }

  /** A node mines a block now and then even when nothing happens. */
  head(): bigint {
    const last = this.#timeOf(this.block);
    if (!this.isFrozen && BigInt(Date.now()) >= last + BLOCK_MS) this.#mine();
    return this.block;
  }

  #mine(): void {
    this.block += 1n;
    this.#times.set(this.block, BigInt(Date.now()));
    this.#hashes.set(this.block, hex32());
  }

  #timeOf(block: bigint): bigint {
    const time = this.#times.get(block);
    if (time === undefined) throw new ChainUnavailable(`block ${block} is not known`);
    return time;
  }

  #submit({ header, lines, signature, publicKey }: Parameters<ChainPort["submit"]>[0]): Hex {
    const refuse = (isWrong: boolean, reason: string): void => {
      if (isWrong) throw new SubmitRefused(`UsageReceipts_${reason}`);
    };
    const lane = this.#lane;
    if (header.batchNumber !== lane.nextBatchNumber) this.duplicates += 1;
    refuse(header.batchNumber !== lane.nextBatchNumber, "WrongBatchNumber");
    refuse(header.windowStart !== lane.lastWindowEnd, "WrongWindowStart");
    refuse(header.windowEnd <= header.windowStart, "EmptyWindow");
    refuse(header.windowEnd > BigInt(Date.now()) + CLOCK_SKEW_MS, "WindowInFuture");
    refuse(header.previousBatchHash !== lane.lastBatchHash, "WrongPreviousBatch");
    refuse(header.keyEpoch !== lane.keyEpoch, "WrongKeyEpoch");
    refuse(Line.hash(lines) !== header.linesHash, "WrongLinesHash");
    refuse(lines.length === 0 && header.receiptCount === 0, "EmptyBatch");
    refuse(publicKey !== this.publicKey, "UnknownKey");
    const batchHash = BatchHeader.hash(header, domains.usageReceipts);
    refuse(!ThresholdBls.verify(batchHash, signature, publicKey), "InvalidSignature");
    const [laneBefore, locksBefore] = [this.#lane, new Map(this.locks)];
    this.#beforeLast = () => {
      this.#lane = laneBefore;
      for (const [jobId, lock] of locksBefore) this.locks.set(jobId, lock);
      this.submissions.pop();
    };
    this.#lane = {
      ...lane,
      nextBatchNumber: header.batchNumber + 1n,
      lastWindowEnd: header.windowEnd,
      lastBatchHash: batchHash,
    };
    this.submissions.push({ header, lines });
    const transactionHash = this.#emit(
      { kind: "batch-committed", batchHash, header },
      ...lines.map((line) => this.#settle(line)),
    );
    return transactionHash;
  }

  #settle({ jobId, providerId, amountNano, isFinal }: Line.Line) {
    const lock = this.locks.get(jobId);
    const status = Line.LineStatus.indexOf(this.inactive.has(providerId) ? "ProviderInactive" : "Paid");
    const paidNano = this.inactive.has(providerId) ? 0n : amountNano;
    if (lock === undefined || lock.state !== "open" || lock.remainingNano < amountNano)
      throw new Error(`The line of job ${jobId} cannot be paid.`);
    this.locks.set(jobId, {
      ...lock,
      remainingNano: lock.remainingNano - paidNano,
      state: isFinal ? "closed" : "open",
    });
    return { kind: "line-settled" as const, jobId, providerId, outcome: paidNano | (BigInt(status) << 224n) };
  }

  #emit(
    ...contents: (
      | { kind: "locked"; jobId: Hex; capabilityHash: Hex }
      | { kind: "batch-committed"; batchHash: Hex; header: BatchHeader.BatchHeader }
      | { kind: "line-settled"; jobId: Hex; providerId: number; outcome: bigint }
    )[]
  ): Hex {
    this.#mine();
    const transactionHash = hex32();
    contents.forEach((content, logIndex) => {
      this.events.push({ blockNumber: this.block, transactionHash, logIndex, ...content });
    });
    return transactionHash;
  }
}
