import type { BatchHeader, Line } from "@tac/protocol";
import type { Address, Hex } from "viem";

/** A gateway's enrolment, Unix seconds; zeros when never enrolled or not removed. */
export type GatewayTerm = { enrolledAt: bigint; removedAt: bigint };

export type LockState = "none" | "open" | "closed";
export type LockFact = { state: LockState; tenant: Address; maxSpendNano: bigint; remainingNano: bigint };

/** What the chain emitted, in order. Everything the replica derives from the chain comes from these. */
export type ChainEvent = { blockNumber: bigint; transactionHash: Hex; logIndex: number } & (
  | { kind: "locked"; jobId: Hex; capabilityHash: Hex }
  | { kind: "batch-committed"; batchHash: Hex; header: BatchHeader.BatchHeader }
  | { kind: "line-settled"; jobId: Hex; providerId: number; outcome: bigint }
);

export type Lane = {
  nextBatchNumber: bigint;
  /** Unix milliseconds. */
  lastWindowEnd: bigint;
  keyEpoch: number;
  lastBatchHash: Hex;
  keyHash: Hex;
};

/** What the next batch of a lane must continue. */
export type LanePosition = Omit<Lane, "keyHash">;

/**
 * All the replica knows of the chain. Reads name the block they are pinned to, so that every replica reads the same.
 * Every method rejects with ChainUnavailable when no RPC endpoint answers in time.
 */
export type ChainPort = {
  /** The newest block the replica acts on. */
  head(): Promise<bigint>;
  /** A block's time, Unix milliseconds. */
  timeOf(block: bigint): Promise<bigint>;
  /** A block's hash; null when the chain has no such block (yet, or any more). */
  hashOf(block: bigint): Promise<Hex | null>;
  /** Events of blocks `fromBlock` to `toBlock`, both included, in chain order. */
  events(fromBlock: bigint, toBlock: bigint): Promise<ChainEvent[]>;
  laneOf(laneId: number, block: bigint): Promise<Lane>;
  gatewayTerm(gateway: Address, block: bigint): Promise<GatewayTerm>;
  lockOf(jobId: Hex, block: bigint): Promise<LockFact>;
  /** Unix seconds since when the capability is revoked; zero while it is not. */
  revokedAt(capability: { tenant: Address; jobId: Hex; validAfter: bigint }, block: bigint): Promise<bigint>;
  /** The provider's signing key; null for an unknown provider. */
  signingKeyOf(providerId: number, block: bigint): Promise<Address | null>;
  /** Hash of one published tariff version; zero when it was not published. */
  tariffHashOf(providerId: number, tariffVersion: number, block: bigint): Promise<Hex>;
  /** Whether the account is a contract. The vault already asked it for the signature (ERC-1271) when it locked. */
  hasCode(account: Address, block: bigint): Promise<boolean>;
  /** Sends the batch. Resolves with the transaction's hash once it is broadcast; rejects with SubmitRefused when the
   * contract refuses it, which includes that another replica was faster. */
  submit(batch: {
    header: BatchHeader.BatchHeader;
    lines: Line.Line[];
    signature: Hex;
    publicKey: Hex;
  }): Promise<Hex>;
};

/** No endpoint answered; the caller waits and asks again. */
export class ChainUnavailable extends Error {
  override name = "ChainUnavailable";
  readonly retryable = true;
}

/** The contract refused the batch: a duplicate, or a header that no longer continues its lane. */
export class SubmitRefused extends Error {
  override name = "SubmitRefused";
  readonly retryable = false;
  /** Name of the contract's error, or "unknown". */
  readonly reason: string;
  constructor(reason: string, options?: ErrorOptions) {
    super(`UsageReceipts refused the batch: ${reason}`, options);
    this.reason = reason;
  }
}
