import {
  creditVaultAbi,
  providerRegistryAbi,
  settlementTreasuryAbi,
  usageReceiptsAbi,
} from "@tac/contracts/abi";
import { type Deployment, Line } from "@tac/protocol";
import { type Address, decodeEventLog, type Hex } from "viem";
import type { BillingEvent } from "./events.ts";
import { lower } from "./lower.ts";

/** The part of a JSON-RPC log that decoding needs; a pending log has no place. */
export type RawLog = {
  address: Address;
  topics: readonly Hex[];
  data: Hex;
  transactionHash: Hex | null;
  blockNumber: bigint | null;
  logIndex: number | null;
};

const billingAbi = [
  ...usageReceiptsAbi,
  ...settlementTreasuryAbi,
  ...creditVaultAbi,
  ...providerRegistryAbi,
] as const;

/** Which contract each event must come from; the same topic logged by a stranger's contract means nothing. */
const EMITTERS = {
  BatchCommitted: "usageReceipts",
  AggregatorKeySet: "usageReceipts",
  LineSettled: "settlementTreasury",
  BatchSettled: "settlementTreasury",
  Locked: "creditVault",
  Released: "creditVault",
  TariffPublished: "providerRegistry",
} as const satisfies Record<BillingEvent["name"], keyof Deployment.Deployment>;

/** The billing event a log carries, or null for any other log. Hex comes out in lower case. */
export function decodeLog(log: RawLog, deployment: Deployment.Deployment): BillingEvent | null {
  if (log.transactionHash === null || log.blockNumber === null || log.logIndex === null) return null;
  const place = {
    transactionHash: log.transactionHash,
    blockNumber: log.blockNumber,
    logIndex: log.logIndex,
  };
  const event = decode(log);
  if (event === null || !isBillingName(event.eventName)) return null;
  if (lower(log.address) !== lower(deployment[EMITTERS[event.eventName]])) return null;
  switch (event.eventName) {
    case "BatchCommitted": {
      const { laneId, batchNumber, batchHash, header } = event.args;
      return { name: "BatchCommitted", ...place, laneId, batchNumber, batchHash, header };
    }
    case "LineSettled": {
      const { jobId, providerId, outcome } = event.args;
      return { name: "LineSettled", ...place, jobId, providerId, outcome: Line.unpackOutcome(outcome) };
    }
    case "BatchSettled":
      return { name: "BatchSettled", ...place, ...event.args };
    case "Locked":
      return { name: "Locked", ...place, ...event.args, tenant: lower(event.args.tenant) };
    case "Released":
      return { name: "Released", ...place, ...event.args, tenant: lower(event.args.tenant) };
    case "AggregatorKeySet":
      return { name: "AggregatorKeySet", ...place, ...event.args };
    case "TariffPublished":
      return { name: "TariffPublished", ...place, ...event.args };
    default:
      return null;
  }
}

function isBillingName(name: string): name is BillingEvent["name"] {
  return Object.hasOwn(EMITTERS, name);
}

function decode(log: RawLog) {
  const [selector, ...indexed] = log.topics;
  if (selector === undefined) return null;
  try {
    return decodeEventLog({ abi: billingAbi, data: log.data, topics: [selector, ...indexed] });
  } catch {
    // A log of another ABI is no billing event, and contracts of the deployment log many.
    return null;
  }
}
