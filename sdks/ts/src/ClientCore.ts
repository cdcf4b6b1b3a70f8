import type { Deployment } from "@tac/protocol";
import type { Address } from "viem";
import type { GatewayCaller } from "./call/createGatewayCaller.ts";
import type { HolderKeyring } from "./job/HolderKeyring.ts";
import type { JobSessions } from "./job/JobSessions.ts";
import type { TenantSigner, Wallet } from "./tenant/TenantSigner.ts";

/** What the actions of one client share. */
export type ClientCore = {
  /** Origin of the gateway, without a trailing slash. */
  origin: string;
  callGateway: GatewayCaller;
  domains: Deployment.Domains;
  creditVault: Address;
  /** What the tenant sends transactions with; undefined when it can only sign. */
  wallet: Wallet | undefined;
  signer: TenantSigner;
  keyring: HolderKeyring;
  sessions: JobSessions;
  /** The only signer whose quotes are accepted; undefined trusts the signer the gateway relays. */
  tariffSigner: Address | undefined;
  billingUrl: string | undefined;
  /** PEM certificates trusted for the gateway and the billing service. */
  ca: string | (() => string) | undefined;
};
