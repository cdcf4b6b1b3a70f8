import { Deployment, Wire } from "@tac/protocol";
import type { Address } from "viem";
import { hex32 } from "./hex32.ts";

const address = (byte: string): Address => `0x${byte.repeat(20)}`;

/** Contracts that are nowhere: the chain of these tests is in memory. */
export const deployment: Deployment.Deployment = {
  chainId: 31_337,
  startBlock: 1n,
  asset: address("01"),
  creditToken: address("02"),
  creditVault: address("03"),
  providerRegistry: address("04"),
  usageReceipts: address("05"),
  settlementTreasury: address("06"),
  paramGovernor: address("07"),
  capabilityAuthority: address("08"),
  sessionChannels: address("09"),
};
export const domains = Deployment.domains(deployment);

// Made anew for each test file, so that nothing can be told by a key that another wrote.
export const gatewayKey = hex32();
export const gatewayAddress = Wire.privateKeyToAddress(gatewayKey);
export const tariffKey = hex32();
export const providerKey = hex32();
export const adminToken = hex32();
