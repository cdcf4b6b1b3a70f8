import {
  capabilityAuthorityAbi,
  creditVaultAbi,
  providerRegistryAbi,
  settlementTreasuryAbi,
  usageReceiptsAbi,
} from "@tac/contracts/abi";
import { type Deployment, ProtocolError } from "@tac/protocol";
import {
  createPublicClient,
  fallback,
  getAbiItem,
  type Hex,
  http,
  type PublicClient,
  TransactionNotFoundError,
  TransactionReceiptNotFoundError,
} from "viem";
import type { ChainReader, ChainTransaction, LockState } from "../verify/ChainReader.ts";
import { decodeLog } from "./decodeLog.ts";
import type { BillingEvent } from "./events.ts";
import { lower } from "./lower.ts";
import { settledBatches } from "./settledBatches.ts";

const LOCK_STATES: readonly LockState[] = ["none", "open", "closed"];
const RPC_TIMEOUT_MS = 10_000;

export type ChainReaderSource = {
  rpcUrls: readonly string[];
  deployment: Deployment.Deployment;
  /** Most blocks one log query may span; public nodes refuse more. */
  blocksPerQuery?: bigint;
};

/** A ChainReader over JSON-RPC: receipts, logs, calldata and contract state. Nodes are tried in order. */
export function createChainReader({
  rpcUrls,
  deployment,
  blocksPerQuery = 10_000n,
}: ChainReaderSource): ChainReader {
  const client: PublicClient = createPublicClient({
    transport: fallback(rpcUrls.map((url) => http(url, { timeout: RPC_TIMEOUT_MS, retryCount: 1 }))),
  });
  const { startBlock } = deployment;

  async function logsOfJob(jobId: Hex): Promise<BillingEvent[]> {
    const head = await client.getBlockNumber();
    const events: BillingEvent[] = [];
    for (let fromBlock = startBlock; fromBlock <= head; fromBlock += blocksPerQuery) {
      const lastBlock = fromBlock + blocksPerQuery - 1n;
      const toBlock = lastBlock < head ? lastBlock : head;
      const [settled, locked, released] = await Promise.all([
        client.getLogs({
          address: deployment.settlementTreasury,
          event: getAbiItem({ abi: settlementTreasuryAbi, name: "LineSettled" }),
          args: { jobId },
          fromBlock,
          toBlock,
        }),
        client.getLogs({
          address: deployment.creditVault,
          event: getAbiItem({ abi: creditVaultAbi, name: "Locked" }),
          args: { jobId },
          fromBlock,
          toBlock,
        }),
        client.getLogs({
          address: deployment.creditVault,
          event: getAbiItem({ abi: creditVaultAbi, name: "Released" }),
          args: { jobId },
          fromBlock,
          toBlock,
        }),
      ]);
      for (const log of [...settled, ...locked, ...released]) {
        const event = decodeLog(log, deployment);
        if (event !== null) events.push(event);
      }
    }
    return events;
  }

  async function transaction(hash: Hex): Promise<ChainTransaction | null> {
    const receipt = await client.getTransactionReceipt({ hash }).catch(nullIfNotFound);
    if (receipt === null || receipt.status !== "success") return null;
    const [sent, block] = await Promise.all([
      client.getTransaction({ hash }).catch(nullIfNotFound),
      client.getBlock({ blockNumber: receipt.blockNumber }),
    ]);
    const events = receipt.logs
      .map((log) => decodeLog(log, deployment))
      .filter((event): event is BillingEvent => event !== null);
    const isSubmission = receipt.to !== null && lower(receipt.to) === lower(deployment.usageReceipts);
    return {
      hash,
      blockNumber: receipt.blockNumber,
      timestamp: block.timestamp,
      batches: settledBatches(events, isSubmission && sent !== null ? sent.input : null),
      locked: events.filter((event) => event.name === "Locked"),
      released: events.filter((event) => event.name === "Released"),
    };
  }

  return {
    chainId: () => answered(client.getChainId()),
    transaction: (hash) => answered(transaction(hash)),
    jobEvents: (jobId) =>
      answered(
        logsOfJob(jobId).then((events) => ({
          locked: events.filter((event) => event.name === "Locked"),
          settled: events.filter((event) => event.name === "LineSettled"),
          released: events.filter((event) => event.name === "Released"),
        })),
      ),
    lockOf: (jobId) =>
      answered(
        client
          .readContract({
            address: deployment.creditVault,
            abi: creditVaultAbi,
            functionName: "lockOf",
            args: [jobId],
          })
          .then(({ tenant, maxSpendNano, state }) => ({
            tenant: lower(tenant),
            maxSpendNano,
            state: LOCK_STATES[state] ?? "none",
          })),
      ),
    rootOf: (laneId, batchNumber) =>
      answered(
        client.readContract({
          address: deployment.usageReceipts,
          abi: usageReceiptsAbi,
          functionName: "rootOf",
          args: [laneId, batchNumber],
        }),
      ),
    keyHashOf: (laneId, keyEpoch) =>
      answered(keyHashOf(client, { deployment, laneId, keyEpoch, blocksPerQuery })),
    tariffHashOf: (providerId, tariffVersion) =>
      answered(
        client.readContract({
          address: deployment.providerRegistry,
          abi: providerRegistryAbi,
          functionName: "tariffHashOf",
          args: [providerId, tariffVersion],
        }),
      ),
    gatewayTerm: (gateway) =>
      answered(
        client
          .readContract({
            address: deployment.capabilityAuthority,
            abi: capabilityAuthorityAbi,
            functionName: "gatewayTerm",
            args: [gateway],
          })
          .then(([enrolledAt, removedAt]) => ({ enrolledAt, removedAt })),
      ),
  };
}

type KeyQuery = {
  deployment: Deployment.Deployment;
  laneId: number;
  keyEpoch: number;
  blocksPerQuery: bigint;
};

async function keyHashOf(client: PublicClient, query: KeyQuery): Promise<Hex | null> {
  const { deployment, laneId, keyEpoch, blocksPerQuery } = query;
  const lane = await client.readContract({
    address: deployment.usageReceipts,
    abi: usageReceiptsAbi,
    functionName: "laneOf",
    args: [laneId],
  });
  if (lane.keyEpoch === keyEpoch) return lane.keyHash;
  const head = await client.getBlockNumber();
  for (let fromBlock = deployment.startBlock; fromBlock <= head; fromBlock += blocksPerQuery) {
    const lastBlock = fromBlock + blocksPerQuery - 1n;
    const [log] = await client.getLogs({
      address: deployment.usageReceipts,
      event: getAbiItem({ abi: usageReceiptsAbi, name: "AggregatorKeySet" }),
      args: { laneId, keyEpoch },
      fromBlock,
      toBlock: lastBlock < head ? lastBlock : head,
    });
    if (log?.args.keyHash !== undefined) return log.args.keyHash;
  }
  return null;
}

function nullIfNotFound(error: unknown): null {
  if (error instanceof TransactionReceiptNotFoundError || error instanceof TransactionNotFoundError)
    return null;
  throw error;
}

/** A node that does not answer is not evidence against an invoice, so it must never look like an answer. */
async function answered<Fact>(reading: Promise<Fact>): Promise<Fact> {
  try {
    return await reading;
  } catch (error) {
    throw new ProtocolError("chain_unavailable", { detail: "The chain did not answer.", cause: error });
  }
}
