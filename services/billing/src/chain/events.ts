import type { BatchHeader, Line } from "@tac/protocol";
import type { Address, Hex } from "viem";

/** Where an event stands in the chain; (transactionHash, logIndex) names it. */
export type EventPlace = { transactionHash: Hex; blockNumber: bigint; logIndex: number };

export type BatchCommitted = EventPlace & {
  name: "BatchCommitted";
  laneId: number;
  batchNumber: bigint;
  batchHash: Hex;
  header: BatchHeader.BatchHeader;
};
export type LineSettled = EventPlace & {
  name: "LineSettled";
  jobId: Hex;
  providerId: number;
  outcome: Line.LineOutcome;
};
export type BatchSettled = EventPlace & {
  name: "BatchSettled";
  batchHash: Hex;
  paidNano: bigint;
  feeNano: bigint;
  releasedNano: bigint;
};
export type Locked = EventPlace & {
  name: "Locked";
  jobId: Hex;
  tenant: Address;
  capabilityHash: Hex;
  quoteHash: Hex;
  holder: Hex;
  maxSpendNano: bigint;
  validAfter: bigint;
  expiresAt: bigint;
};
export type Released = EventPlace & { name: "Released"; jobId: Hex; tenant: Address; releasedNano: bigint };
export type AggregatorKeySet = EventPlace & {
  name: "AggregatorKeySet";
  laneId: number;
  keyEpoch: number;
  keyHash: Hex;
  publicKey: Hex;
};
export type TariffPublished = EventPlace & {
  name: "TariffPublished";
  providerId: number;
  tariffVersion: number;
  tariffHash: Hex;
};

/** The events invoices are made of and checked against. */
export type BillingEvent =
  | BatchCommitted
  | LineSettled
  | BatchSettled
  | Locked
  | Released
  | AggregatorKeySet
  | TariffPublished;
