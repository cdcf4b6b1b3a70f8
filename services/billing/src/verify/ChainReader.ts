import type { Line } from "@tac/protocol";
import type { Address, Hex } from "viem";
import type { BatchCommitted, BatchSettled, LineSettled, Locked, Released } from "../chain/events.ts";

/** A batch as one transaction settled it. `lines` are in the order of the events. */
export type SettledBatch = {
  committed: BatchCommitted;
  lines: SettledLine[];
  settled: BatchSettled | null;
  /** The group's signature, from the calldata of `submit`; null like `line`. */
  signature: Hex | null;
};

/** `line` comes from the calldata of `submit`; null when the transaction called it through another contract. */
export type SettledLine = { event: LineSettled; line: Line.Line | null };

/** What the chain says about one transaction that took effect. */
export type ChainTransaction = {
  hash: Hex;
  blockNumber: bigint;
  /** Unix seconds of its block. */
  timestamp: bigint;
  batches: SettledBatch[];
  locked: Locked[];
  released: Released[];
};

export type JobEvents = { locked: Locked[]; settled: LineSettled[]; released: Released[] };
export type LockState = "none" | "open" | "closed";
export type ChainLock = { tenant: Address; maxSpendNano: bigint; state: LockState };
/** Unix seconds; zeros when never enrolled or not removed. */
export type GatewayTerm = { enrolledAt: number; removedAt: number };

/**
 * What verification reads from the chain. Implementations answer from final state of the given deployment and throw
 * `chain_unavailable` when they cannot answer; "not there" is an answer (null, zero), not an error.
 */
export type ChainReader = {
  chainId(): Promise<number>;
  /** Null when there is no such transaction, or it reverted. */
  transaction(hash: Hex): Promise<ChainTransaction | null>;
  /** Everything the vault and the treasury ever logged about a job. */
  jobEvents(jobId: Hex): Promise<JobEvents>;
  lockOf(jobId: Hex): Promise<ChainLock>;
  /** Zero hash when the lane has no such batch. */
  rootOf(laneId: number, batchNumber: bigint): Promise<Hex>;
  /** keccak256 of the group public key of an epoch; null when the lane has no such epoch. */
  keyHashOf(laneId: number, keyEpoch: number): Promise<Hex | null>;
  /** Zero hash when the provider never published that version. */
  tariffHashOf(providerId: number, tariffVersion: number): Promise<Hex>;
  gatewayTerm(gateway: Address): Promise<GatewayTerm>;
};
