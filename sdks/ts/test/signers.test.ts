import { Capability } from "@tac/protocol";
import { Wallet } from "ethers";
import { createWalletClient, custom, recoverTypedDataAddress } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { describe, expect, it } from "vitest";
import type { Tenant } from "../src/index.ts";
import { testDomains, testPlan, testTenantKey } from "../src/testing/index.ts";
import { useWorld } from "./support.ts";

const world = useWorld();
const account = privateKeyToAccount(testTenantKey);
const noChain = custom({ request: () => Promise.reject(new Error("A signature needs no chain.")) });

const tenants: Record<string, Tenant> = {
  "a viem local account": account,
  "a viem wallet client": createWalletClient({ account, transport: noChain }),
  "an ethers v6 Signer": new Wallet(testTenantKey),
};

describe.each(Object.entries(tenants))("%s as the tenant", (_name, tenant) => {
  it("signs a capability that recovers to its address", async () => {
    const client = world.newClient({ tenant });
    const job = await client.lock(await client.quote(testPlan), 1_000n);
    expect(job.tenant).toBe(account.address.toLowerCase());
    expect(job.capability.maxSpendNano).toBe(1_000n);
    const typedData = Capability.typedData(job.capability, testDomains.capability);
    const recovered = await recoverTypedDataAddress({ ...typedData, signature: job.capabilitySignature });
    expect(recovered).toBe(account.address);
  });
});
