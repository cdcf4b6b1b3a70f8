import { creditVaultAbi, mockUsdcAbi } from "@tac/contracts/abi";
import type { Deployment } from "@tac/protocol";
import { createChain } from "../chain/createChain.ts";
import { createSender } from "../chain/createSender.ts";
import type { TestChain } from "./testChain.ts";

/** Gives the second test account `assets` mock dollars (6 decimals) as free credit; it is the tenant of tests on a chain. */
export const depositForTenant = async (
  { rpcUrl, chainId, privateKeys }: TestChain,
  { asset, creditVault }: Deployment.Deployment,
  assets: bigint,
): Promise<void> => {
  const settings = { rpcUrls: [rpcUrl], chainId };
  const tenant = createSender({ chain: createChain(settings), settings, privateKey: privateKeys[1] });
  await tenant.send({
    address: asset,
    abi: mockUsdcAbi,
    functionName: "mint",
    args: [tenant.address, assets],
  });
  await tenant.send({
    address: asset,
    abi: mockUsdcAbi,
    functionName: "approve",
    args: [creditVault, assets],
  });
  await tenant.send({
    address: creditVault,
    abi: creditVaultAbi,
    functionName: "deposit",
    args: [assets, tenant.address],
  });
};
