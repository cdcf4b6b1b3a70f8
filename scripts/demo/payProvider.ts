import { creditVaultAbi, settlementTreasuryAbi } from "@tac/contracts/abi";
import type { Deployment } from "@tac/protocol";
import { type Hex, parseEventLogs } from "viem";
import type { PrivateKeyAccount } from "viem/accounts";
import type { ChainClient } from "../stack/chain.ts";

export type Payout = { amountNano: bigint; transactionHash: Hex };

/** Pays out what a provider is due, in whole units of the asset; null when that is less than one unit. */
export const payProvider = async (
  client: ChainClient,
  { creditVault, settlementTreasury }: Deployment.Deployment,
  account: PrivateKeyAccount,
  providerId: number,
): Promise<Payout | null> => {
  const treasury = { address: settlementTreasury, abi: settlementTreasuryAbi } as const;
  const unit = await client.readContract({
    address: creditVault,
    abi: creditVaultAbi,
    functionName: "nanoPerAssetUnit",
  });
  const dueNano = await client.readContract({ ...treasury, functionName: "payableOf", args: [providerId] });
  if (dueNano < unit) return null;
  const hash = await client.writeContract({
    ...treasury,
    functionName: "payProvider",
    args: [providerId],
    account,
    chain: client.chain,
  });
  const { logs } = await client.waitForTransactionReceipt({ hash });
  const [paid] = parseEventLogs({ abi: settlementTreasuryAbi, logs, eventName: "ProviderPaid" });
  if (paid === undefined) throw new Error(`payProvider(${providerId}) in ${hash} paid nothing`);
  return { amountNano: paid.args.amountNano, transactionHash: hash };
};
