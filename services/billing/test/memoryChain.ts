import type { Line } from "@tac/protocol";
import { type Address, type Hex, numberToHex, zeroAddress } from "viem";
import type { BillingEvent } from "../src/chain/events.ts";
import { settledBatches } from "../src/chain/settledBatches.ts";
import type { ChainReader, GatewayTerm } from "../src/verify/ChainReader.ts";

/** A chain that is nothing but its events, the lines in its calldata, and the few things kept in contract state. */
export type MemoryChainState = {
  chainId: number;
  events: BillingEvent[];
  /** Batch hash to the lines that `submit` was called with. */
  lines: Map<Hex, Line.Line[]>;
  closedJobs: Set<Hex>;
  gateways: Map<Address, GatewayTerm>;
  timestampOf: (blockNumber: bigint) => bigint;
};

const ZERO_HASH = numberToHex(0, { size: 32 });

export function createMemoryChain(state: MemoryChainState): ChainReader {
  const named = <Name extends BillingEvent["name"]>(name: Name) =>
    state.events.filter((event): event is Extract<BillingEvent, { name: Name }> => event.name === name);
  return {
    chainId: async () => state.chainId,
    transaction: async (hash) => {
      const events = state.events.filter((event) => event.transactionHash === hash);
      const first = events[0];
      if (first === undefined) return null;
      const batches = settledBatches(events, null).map((batch) => {
        const lines = state.lines.get(batch.committed.batchHash) ?? [];
        return {
          ...batch,
          lines: batch.lines.map(({ event }, index) => ({ event, line: lines[index] ?? null })),
        };
      });
      return {
        hash,
        blockNumber: first.blockNumber,
        timestamp: state.timestampOf(first.blockNumber),
        batches,
        locked: events.filter((event) => event.name === "Locked"),
        released: events.filter((event) => event.name === "Released"),
      };
    },
    jobEvents: async (jobId) => ({
      locked: named("Locked").filter((event) => event.jobId === jobId),
      settled: named("LineSettled").filter((event) => event.jobId === jobId),
      released: named("Released").filter((event) => event.jobId === jobId),
    }),
    lockOf: async (jobId) => {
      const locked = named("Locked").find((event) => event.jobId === jobId);
      if (locked === undefined) return { tenant: zeroAddress, maxSpendNano: 0n, state: "none" };
      return {
        tenant: locked.tenant,
        maxSpendNano: locked.maxSpendNano,
        state: state.closedJobs.has(jobId) ? "closed" : "open",
      };
    },
    rootOf: async (laneId, batchNumber) =>
      named("BatchCommitted").find((event) => event.laneId === laneId && event.batchNumber === batchNumber)
        ?.header.receiptsRoot ?? ZERO_HASH,
    keyHashOf: async (laneId, keyEpoch) =>
      named("AggregatorKeySet").find((event) => event.laneId === laneId && event.keyEpoch === keyEpoch)
        ?.keyHash ?? null,
    tariffHashOf: async (providerId, tariffVersion) =>
      named("TariffPublished").find(
        (event) => event.providerId === providerId && event.tariffVersion === tariffVersion,
      )?.tariffHash ?? ZERO_HASH,
    gatewayTerm: async (gateway) => state.gateways.get(gateway) ?? { enrolledAt: 0, removedAt: 0 },
  };
}
