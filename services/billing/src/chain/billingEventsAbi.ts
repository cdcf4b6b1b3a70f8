import {
  creditVaultAbi,
  providerRegistryAbi,
  settlementTreasuryAbi,
  usageReceiptsAbi,
} from "@tac/contracts/abi";
import { getAbiItem } from "viem";

/** The events billing follows. */
export const billingEventsAbi = [
  getAbiItem({ abi: usageReceiptsAbi, name: "BatchCommitted" }),
  getAbiItem({ abi: usageReceiptsAbi, name: "AggregatorKeySet" }),
  getAbiItem({ abi: settlementTreasuryAbi, name: "LineSettled" }),
  getAbiItem({ abi: settlementTreasuryAbi, name: "BatchSettled" }),
  getAbiItem({ abi: creditVaultAbi, name: "Locked" }),
  getAbiItem({ abi: creditVaultAbi, name: "Released" }),
  getAbiItem({ abi: providerRegistryAbi, name: "TariffPublished" }),
] as const;
