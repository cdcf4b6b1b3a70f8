import { creditTokenAbi, creditVaultAbi, settlementTreasuryAbi } from "@tac/contracts/abi";
import { type Deployment, Line } from "@tac/protocol";
import { type Address, erc20Abi, type Hex, parseEventLogs } from "viem";
import type { ChainClient } from "../stack/chain.ts";
import { providerIds } from "../stack/layout.ts";

/** What the chain holds for the parties of one job; all in nanocredits, read at one block. */
export type Balances = {
  blockNumber: bigint;
  tenantFreeNano: bigint;
  lockedNano: bigint;
  providersPayableNano: bigint;
  feesPayableNano: bigint;
  /** Settlement asset in the vault, in nanocredits. */
  reserveNano: bigint;
  supplyNano: bigint;
};

/** @param jobId null before the job exists. */
export const readBalances = async (
  client: ChainClient,
  { creditVault, settlementTreasury, creditToken, asset }: Deployment.Deployment,
  tenant: Address,
  jobId: Hex | null,
): Promise<Balances> => {
  const blockNumber = await client.getBlockNumber();
  const vault = { address: creditVault, abi: creditVaultAbi, blockNumber } as const;
  const treasury = { address: settlementTreasury, abi: settlementTreasuryAbi, blockNumber } as const;
  const [tenantFreeNano, lock, payables, feesPayableNano, reserve, unit, supplyNano] = await Promise.all([
    client.readContract({ ...vault, functionName: "balanceOf", args: [tenant] }),
    jobId === null ? null : client.readContract({ ...vault, functionName: "lockOf", args: [jobId] }),
    Promise.all(
      providerIds.map((id) => client.readContract({ ...treasury, functionName: "payableOf", args: [id] })),
    ),
    client.readContract({ ...treasury, functionName: "feesPayable" }),
    client.readContract({
      address: asset,
      abi: erc20Abi,
      functionName: "balanceOf",
      args: [creditVault],
      blockNumber,
    }),
    client.readContract({ ...vault, functionName: "nanoPerAssetUnit" }),
    client.readContract({
      address: creditToken,
      abi: creditTokenAbi,
      functionName: "totalSupply",
      blockNumber,
    }),
  ]);
  return {
    blockNumber,
    tenantFreeNano,
    lockedNano: lock?.remainingNano ?? 0n,
    providersPayableNano: payables.reduce((sum, payable) => sum + payable, 0n),
    feesPayableNano,
    reserveNano: reserve * unit,
    supplyNano,
  };
};

/** What the events say: of one job, and of all jobs since the contracts were deployed. */
export type EventSums = {
  jobPaidNano: bigint;
  jobFeeNano: bigint;
  jobReleasedNano: bigint;
  allProvidersNano: bigint;
  allFeesNano: bigint;
  withdrawnByProvidersNano: bigint;
  withdrawnFeesNano: bigint;
};

export const sumEvents = async (
  client: ChainClient,
  { settlementTreasury, startBlock }: Deployment.Deployment,
  jobId: Hex,
  toBlock: bigint,
): Promise<EventSums> => {
  const logs = parseEventLogs({
    abi: settlementTreasuryAbi,
    logs: await client.getLogs({ address: settlementTreasury, fromBlock: startBlock, toBlock }),
  });
  const sums: EventSums = {
    jobPaidNano: 0n,
    jobFeeNano: 0n,
    jobReleasedNano: 0n,
    allProvidersNano: 0n,
    allFeesNano: 0n,
    withdrawnByProvidersNano: 0n,
    withdrawnFeesNano: 0n,
  };
  for (const log of logs) {
    if (log.eventName === "ProviderPaid") sums.withdrawnByProvidersNano += log.args.amountNano;
    if (log.eventName === "FeesPaid") sums.withdrawnFeesNano += log.args.amountNano;
    if (log.eventName !== "LineSettled") continue;
    const { paidNano, feeNano, releasedNano } = Line.unpackOutcome(log.args.outcome);
    sums.allProvidersNano += paidNano - feeNano;
    sums.allFeesNano += feeNano;
    if (log.args.jobId !== jobId) continue;
    sums.jobPaidNano += paidNano;
    sums.jobFeeNano += feeNano;
    sums.jobReleasedNano += releasedNano;
  }
  return sums;
};
