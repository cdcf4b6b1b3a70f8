import { Line } from "@tac/protocol";
import { type AbiEvent, encodeAbiParameters, encodeEventTopics, type Hex } from "viem";
import { billingEventsAbi } from "../src/chain/billingEventsAbi.ts";
import type { RawLog } from "../src/chain/decodeLog.ts";
import type { BillingEvent } from "../src/chain/events.ts";
import { deployment } from "./world.ts";

const EMITTERS = {
  BatchCommitted: deployment.usageReceipts,
  AggregatorKeySet: deployment.usageReceipts,
  LineSettled: deployment.settlementTreasury,
  BatchSettled: deployment.settlementTreasury,
  Locked: deployment.creditVault,
  Released: deployment.creditVault,
  TariffPublished: deployment.providerRegistry,
} as const;

/** The log a contract of the deployment would emit for an event. */
export function encodeLog(event: BillingEvent): RawLog {
  const abi: AbiEvent | undefined = billingEventsAbi.find(({ name }) => name === event.name);
  if (abi === undefined) throw new Error(`There is no event ${event.name}.`);
  const args: Record<string, unknown> = {
    ...event,
    ...(event.name === "LineSettled" ? { outcome: packOutcome(event.outcome) } : {}),
  };
  const indexed = Object.fromEntries(
    abi.inputs.filter((input) => input.indexed).map(({ name }) => [name, args[name ?? ""]]),
  );
  const rest = abi.inputs.filter((input) => !input.indexed);
  const topics = encodeEventTopics({ abi: [abi], eventName: abi.name, args: indexed });
  return {
    address: EMITTERS[event.name],
    topics: topics.filter((topic): topic is Hex => typeof topic === "string"),
    data: encodeAbiParameters(
      rest,
      rest.map(({ name }) => args[name ?? ""]),
    ),
    transactionHash: event.transactionHash,
    blockNumber: event.blockNumber,
    logIndex: event.logIndex,
  };
}

function packOutcome(outcome: Line.LineOutcome): bigint {
  return (
    outcome.paidNano |
    (outcome.feeNano << 64n) |
    (outcome.releasedNano << 128n) |
    (BigInt(outcome.receiptCount) << 192n) |
    (BigInt(Line.LineStatus.indexOf(outcome.status)) << 224n)
  );
}
