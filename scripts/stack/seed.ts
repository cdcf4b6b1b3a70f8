import { setTimeout as sleep } from "node:timers/promises";
import {
  capabilityAuthorityAbi,
  creditVaultAbi,
  mockUsdcAbi,
  paramGovernorAbi,
  providerRegistryAbi,
} from "@tac/contracts/abi";
import { type Deployment, Tariff } from "@tac/protocol";
import {
  type Address,
  type ContractFunctionArgs,
  encodeFunctionData,
  type Hex,
  keccak256,
  toHex,
} from "viem";
import type { PrivateKeyAccount } from "viem/accounts";
import type { ChainClient } from "./chain.ts";
import type { Keys } from "./keys.ts";
import { send } from "./send.ts";
import { localTariffs } from "./tariffs.ts";

/** Runs calls through the timelock as a proposer would: schedule, wait for the delay, execute. */
const govern = async (
  client: ChainClient,
  keys: Keys,
  governor: Address,
  calls: { target: Address; payload: Hex }[],
) => {
  const delay = await client.readContract({
    address: governor,
    abi: paramGovernorAbi,
    functionName: "getMinDelay",
  });
  const salt = keccak256(toHex(`seed ${Date.now()}`));
  const operation = [
    calls.map(({ target }) => target),
    calls.map(() => 0n),
    calls.map(({ payload }) => payload),
  ] as const;
  const predecessor = `0x${"00".repeat(32)}` as const;
  const { account } = keys.deployer;
  await send(client, account, {
    address: governor,
    abi: paramGovernorAbi,
    functionName: "scheduleBatch",
    args: [...operation, predecessor, salt, delay],
  });
  await sleep(Number(delay) * 1_000 + 200);
  await send(client, account, {
    address: governor,
    abi: paramGovernorAbi,
    functionName: "executeBatch",
    args: [...operation, predecessor, salt],
  });
};

/** Registers and approves the providers and enrols the gateway, as far as this has not happened yet. */
export const seedRegistry = async (
  client: ChainClient,
  deployment: Deployment.Deployment,
  keys: Keys,
): Promise<void> => {
  const { providerRegistry: registry, capabilityAuthority: authority } = deployment;
  const calls: { target: Address; payload: Hex }[] = [];
  let count = await client.readContract({
    address: registry,
    abi: providerRegistryAbi,
    functionName: "providerCount",
  });
  for (const tariff of localTariffs) {
    const provider = keys.providers.get(tariff.providerId);
    if (provider === undefined || tariff.providerId <= count) continue;
    await send(client, provider.admin.account, {
      address: registry,
      abi: providerRegistryAbi,
      functionName: "register",
      args: [
        provider.payout.account.address,
        provider.signing.account.address,
        `https://provider-${tariff.providerId}.example/metadata.json`,
        Tariff.hash(tariff),
        0n,
      ] satisfies ContractFunctionArgs<typeof providerRegistryAbi, "nonpayable", "register">,
    });
    count = tariff.providerId;
    calls.push({
      target: registry,
      payload: encodeFunctionData({
        abi: providerRegistryAbi,
        functionName: "approve",
        args: [tariff.providerId],
      }),
    });
  }
  const gateway = keys.gateway.account.address;
  const enrolled = await client.readContract({
    address: authority,
    abi: capabilityAuthorityAbi,
    functionName: "isGateway",
    args: [gateway],
  });
  if (!enrolled)
    calls.push({
      target: authority,
      payload: encodeFunctionData({
        abi: capabilityAuthorityAbi,
        functionName: "enrolGateway",
        args: [gateway],
      }),
    });
  if (calls.length > 0) await govern(client, keys, deployment.paramGovernor, calls);
};

/** Mints mock dollars to a tenant and deposits them: what a treasury transfer is on a real chain. `assets` has 6 decimals. */
export const fundTenant = async (
  client: ChainClient,
  deployment: Deployment.Deployment,
  tenant: PrivateKeyAccount,
  assets: bigint,
): Promise<void> => {
  const { asset, creditVault } = deployment;
  await send(client, tenant, {
    address: asset,
    abi: mockUsdcAbi,
    functionName: "mint",
    args: [tenant.address, assets],
  });
  await send(client, tenant, {
    address: asset,
    abi: mockUsdcAbi,
    functionName: "approve",
    args: [creditVault, assets],
  });
  await send(client, tenant, {
    address: creditVault,
    abi: creditVaultAbi,
    functionName: "deposit",
    args: [assets, tenant.address],
  });
};
