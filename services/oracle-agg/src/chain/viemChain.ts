import {
  capabilityAuthorityAbi,
  creditVaultAbi,
  providerRegistryAbi,
  settlementTreasuryAbi,
  usageReceiptsAbi,
} from "@tac/contracts/abi";
import { chainOf, completeLogs } from "@tac/kit";
import { type Deployment, Line } from "@tac/protocol";
import {
  type Address,
  BaseError,
  BlockNotFoundError,
  ContractFunctionRevertedError,
  createClient,
  getAbiItem,
  type Hex,
  http,
  publicActions,
  walletActions,
  zeroAddress,
} from "viem";
import { privateKeyToAccount } from "viem/accounts";
import {
  type ChainEvent,
  type ChainPort,
  ChainUnavailable,
  type LockState,
  SubmitRefused,
} from "./ChainPort.ts";
import { failover } from "./failover.ts";

const LOCK_STATES: readonly LockState[] = ["none", "open", "closed"];
/** Public endpoints refuse log queries over long ranges. */
export const MAX_LOG_BLOCKS = 2_000n;
const RPC_TIMEOUT_MS = 4_000;
const GAS_MARGIN_PERCENT = 20n;
/** Nodes refuse a replacement that raises the fee by less than a tenth. */
const REPLACEMENT_PERCENT = 25n;

/** A fee that is raised again and again ends at so many times what is usual now, or at a gwei where that is more. */
const HIGHEST_MULTIPLE = 20n;
const ONE_GWEI = 1_000_000_000n;
const highest = (usual: bigint): bigint =>
  usual * HIGHEST_MULTIPLE > ONE_GWEI ? usual * HIGHEST_MULTIPLE : ONE_GWEI;

/** Where a transaction stands in the account's order, and what it offers. */
type Place = { nonce: number; maxFeePerGas: bigint; maxPriorityFeePerGas: bigint };

export type ViemChainOptions = {
  deployment: Deployment.Deployment;
  rpcUrls: readonly string[];
  submitterPrivateKey: Hex;
  /** Blocks behind the head at which the replica acts; more than zero protects against reorganisations. */
  confirmations: bigint;
  /** Told when an endpoint, by its place among `rpcUrls`, fails or answers again. */
  onEndpoint?: (place: number, isUp: boolean) => void;
};

const lower = (address: Address): Address => address.toLowerCase() as Address;

const EVENTS = [
  getAbiItem({ abi: creditVaultAbi, name: "Locked" }),
  getAbiItem({ abi: usageReceiptsAbi, name: "BatchCommitted" }),
  getAbiItem({ abi: settlementTreasuryAbi, name: "LineSettled" }),
] as const;

/** ChainPort over JSON-RPC: endpoints in order of preference, reads of one moment sent as one HTTP batch. */
export const createViemChain = (options: ViemChainOptions): ChainPort => {
  const { deployment, rpcUrls, submitterPrivateKey, confirmations } = options;
  const chain = chainOf({ rpcUrls, chainId: deployment.chainId });
  const transport = failover(
    rpcUrls.map((url) =>
      completeLogs(http(url, { batch: { batchSize: 200 }, timeout: RPC_TIMEOUT_MS, retryCount: 0 })),
    ),
    options.onEndpoint ?? (() => {}),
  );
  const account = privateKeyToAccount(submitterPrivateKey);
  // One client for reading and sending, because each would learn for itself which endpoints are dead.
  const client = createClient({ account, chain, transport, cacheTime: 0 })
    .extend(publicActions)
    .extend(walletActions);
  const receipts = { address: deployment.usageReceipts, abi: usageReceiptsAbi } as const;
  const vault = { address: deployment.creditVault, abi: creditVaultAbi } as const;
  const authority = { address: deployment.capabilityAuthority, abi: capabilityAuthorityAbi } as const;
  const registry = { address: deployment.providerRegistry, abi: providerRegistryAbi } as const;

  let lastSent: Place | null = null;
  /**
   * A transaction of ours that still waits is for a batch that is in by now, or for this one: it is replaced, because
   * behind one whose fee became too low nothing of this account would ever be mined.
   */
  const nextPlace = async (): Promise<Place> => {
    const { address } = account;
    const [nonce, pending, fees] = await Promise.all([
      client.getTransactionCount({ address, blockTag: "latest" }),
      client.getTransactionCount({ address, blockTag: "pending" }),
      client.estimateFeesPerGas(),
    ]);
    if (pending <= nonce) return { nonce, ...fees };
    // What an earlier process of this replica offered is not known, but likely about what is usual now.
    const earlier = lastSent?.nonce === nonce ? lastSent : fees;
    const bump = (now: bigint, before: bigint): bigint => {
      const least = (before * (100n + REPLACEMENT_PERCENT)) / 100n + 1n;
      return now > least ? now : least;
    };
    if (bump(0n, earlier.maxPriorityFeePerGas) > highest(fees.maxPriorityFeePerGas))
      throw new ChainUnavailable("Our waiting transaction offers the most we pay; it is left to wait.");
    return {
      nonce,
      maxFeePerGas: bump(fees.maxFeePerGas, earlier.maxFeePerGas),
      maxPriorityFeePerGas: bump(fees.maxPriorityFeePerGas, earlier.maxPriorityFeePerGas),
    };
  };
  return {
    head: () => reading(async () => (await client.getBlockNumber()) - confirmations),
    timeOf: (blockNumber) => reading(async () => (await client.getBlock({ blockNumber })).timestamp * 1_000n),
    hashOf: (blockNumber) =>
      reading(async () => {
        try {
          return (await client.getBlock({ blockNumber })).hash;
        } catch (error) {
          if (error instanceof BlockNotFoundError) return null;
          throw error;
        }
      }),
    events: (fromBlock, toBlock) =>
      reading(async () => {
        const address = [deployment.creditVault, deployment.usageReceipts, deployment.settlementTreasury];
        const logs = await client.getLogs({ address, events: EVENTS, fromBlock, toBlock, strict: true });
        return logs.map((log): ChainEvent => {
          const at = {
            blockNumber: log.blockNumber,
            transactionHash: log.transactionHash,
            logIndex: log.logIndex,
          };
          if (log.eventName === "Locked")
            return { ...at, kind: "locked", jobId: log.args.jobId, capabilityHash: log.args.capabilityHash };
          if (log.eventName === "BatchCommitted")
            return { ...at, kind: "batch-committed", batchHash: log.args.batchHash, header: log.args.header };
          const { jobId, providerId, outcome } = log.args;
          return { ...at, kind: "line-settled", jobId, providerId, outcome };
        });
      }),
    laneOf: (laneId, blockNumber) =>
      reading(() =>
        client.readContract({ ...receipts, functionName: "laneOf", args: [laneId], blockNumber }),
      ),
    gatewayTerm: (gateway, blockNumber) =>
      reading(async () => {
        const read = { ...authority, functionName: "gatewayTerm", args: [gateway], blockNumber } as const;
        const [enrolledAt, removedAt] = await client.readContract(read);
        return { enrolledAt: BigInt(enrolledAt), removedAt: BigInt(removedAt) };
      }),
    lockOf: (jobId, blockNumber) =>
      reading(async () => {
        const lock = await client.readContract({
          ...vault,
          functionName: "lockOf",
          args: [jobId],
          blockNumber,
        });
        return {
          state: LOCK_STATES[lock.state] ?? "none",
          tenant: lower(lock.tenant),
          maxSpendNano: lock.maxSpendNano,
          remainingNano: lock.remainingNano,
        };
      }),
    revokedAt: ({ tenant, jobId, validAfter }, blockNumber) =>
      reading(async () => {
        const args = [tenant, jobId, validAfter] as const;
        return BigInt(
          await client.readContract({ ...authority, functionName: "revokedAt", args, blockNumber }),
        );
      }),
    signingKeyOf: (providerId, blockNumber) =>
      reading(async () => {
        const read = { ...registry, functionName: "providerOf", args: [providerId], blockNumber } as const;
        const { signingKey } = await client.readContract(read);
        return signingKey === zeroAddress ? null : lower(signingKey);
      }).catch((error: unknown) => {
        if (revertNameOf(error) === "ProviderRegistry_UnknownProvider") return null;
        throw error;
      }),
    tariffHashOf: (providerId, tariffVersion, blockNumber) =>
      reading(() =>
        client.readContract({
          ...registry,
          functionName: "tariffHashOf",
          args: [providerId, tariffVersion],
          blockNumber,
        }),
      ),
    hasCode: (address, blockNumber) =>
      reading(async () => ((await client.getCode({ address, blockNumber })) ?? "0x") !== "0x"),
    submit: async ({ header, lines, signature, publicKey }) => {
      const args = [header, lines.map(Line.toAbi), signature, publicKey] as const;
      const call = { ...receipts, functionName: "submit", args, account } as const;
      try {
        const estimate = await client.estimateContractGas(call);
        const gas = estimate + (estimate * GAS_MARGIN_PERCENT) / 100n;
        const place = await nextPlace();
        // Kept although the sending may fail: a node that finds the offer too low wants more the next time.
        lastSent = place;
        return await client.writeContract({ ...call, gas, ...place });
      } catch (error) {
        if (error instanceof ChainUnavailable) throw error;
        const reason = revertNameOf(error);
        if (reason !== null) throw new SubmitRefused(reason, { cause: error });
        throw new ChainUnavailable("The batch could not be sent to any endpoint.", { cause: error });
      }
    },
  };
};

/** The name of the contract's error, "unknown" for one that is not in the ABI, null when no contract refused. */
const revertNameOf = (error: unknown): string | null => {
  const cause = error instanceof ChainUnavailable ? error.cause : error;
  if (!(cause instanceof BaseError)) return null;
  const reverted = cause.walk((inner) => inner instanceof ContractFunctionRevertedError);
  return reverted instanceof ContractFunctionRevertedError ? (reverted.data?.errorName ?? "unknown") : null;
};

const reading = async <T>(read: () => Promise<T>): Promise<T> => {
  try {
    return await read();
  } catch (error) {
    throw new ChainUnavailable("No endpoint answered the read.", { cause: error });
  }
};
