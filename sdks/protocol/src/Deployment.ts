import type { Address } from "viem";
import { z } from "zod";
import { DOMAIN_NAME as CAPABILITY_DOMAIN } from "./Capability.ts";
import { DOMAIN_NAME as INVOICE_DOMAIN } from "./Invoice.ts";
import { lower } from "./internal/bytes.ts";
import { DOMAIN_NAME as QUOTE_DOMAIN } from "./Quote.ts";
import { DOMAIN_NAME as USAGE_DOMAIN } from "./UsageReceipt.ts";

/** Where the contracts live: the content of `infra/compose/addresses.json`. */
export type Deployment = {
  chainId: number;
  /** First block with an event of the system. */
  startBlock: bigint;
  asset: Address;
  creditToken: Address;
  creditVault: Address;
  providerRegistry: Address;
  usageReceipts: Address;
  settlementTreasury: Address;
  paramGovernor: Address;
  capabilityAuthority: Address;
  sessionChannels: Address;
};

/** A complete EIP-712 domain; every `hash` and `sign` of this package accepts it. */
export type FullDomain = { name: string; version: "1"; chainId: number; verifyingContract: Address };

export type Domains = {
  quote: FullDomain;
  capability: FullDomain;
  usageReceipts: FullDomain;
  invoice: FullDomain;
};

// A deploy script writes checksummed addresses and plain block numbers; both are brought to one spelling here.
const address = z
  .string()
  .regex(/^0x[0-9a-fA-F]{40}$/, "expected an address")
  .transform((text) => text.toLowerCase() as Address);
const block = z
  .union([z.int().min(0), z.string().regex(/^(?:0|[1-9][0-9]{0,18})$/)])
  .transform((value) => BigInt(value));

/** Members that are not listed are dropped, so a deploy script may note more than services need. */
export const schema: z.ZodType<Deployment> = z.object({
  chainId: z.int().min(1),
  startBlock: block,
  asset: address,
  creditToken: address,
  creditVault: address,
  providerRegistry: address,
  usageReceipts: address,
  settlementTreasury: address,
  paramGovernor: address,
  capabilityAuthority: address,
  sessionChannels: address,
});

export function toJson(deployment: Deployment) {
  return {
    chainId: deployment.chainId,
    startBlock: deployment.startBlock.toString(),
    asset: lower(deployment.asset),
    creditToken: lower(deployment.creditToken),
    creditVault: lower(deployment.creditVault),
    providerRegistry: lower(deployment.providerRegistry),
    usageReceipts: lower(deployment.usageReceipts),
    settlementTreasury: lower(deployment.settlementTreasury),
    paramGovernor: lower(deployment.paramGovernor),
    capabilityAuthority: lower(deployment.capabilityAuthority),
    sessionChannels: lower(deployment.sessionChannels),
  };
}

export function domains(deployment: Deployment): Domains {
  const { chainId, capabilityAuthority, usageReceipts } = deployment;
  const domain = (name: string, contract: Address): FullDomain => ({
    name,
    version: "1",
    chainId,
    verifyingContract: lower(contract),
  });
  return {
    quote: domain(QUOTE_DOMAIN, capabilityAuthority),
    capability: domain(CAPABILITY_DOMAIN, capabilityAuthority),
    usageReceipts: domain(USAGE_DOMAIN, usageReceipts),
    invoice: domain(INVOICE_DOMAIN, usageReceipts),
  };
}
