import { type Capability, ProtocolError, type Wire } from "@tac/protocol";
import type { Account, Address, Chain, Hex, LocalAccount, Transport, WalletClient } from "viem";

/** The part of an ethers v6 Signer that is needed; ethers itself is no dependency of the SDK. */
export type EthersSigner = {
  getAddress(): Promise<string>;
  signTypedData(
    domain: { name: string; version: string; chainId: number; verifyingContract: string },
    types: Record<string, { name: string; type: string }[]>,
    message: object,
  ): Promise<string>;
};

/** A viem wallet client with an account. */
export type Wallet = WalletClient<Transport, Chain | undefined, Account>;

export type Tenant = LocalAccount | Wallet | EthersSigner;

/** Whoever signs EIP-712 for the tenant; the address is lowercase. */
export type TenantSigner = {
  address(): Promise<Address>;
  sign(typedData: Wire.TypedData<Capability.Capability>): Promise<Hex>;
};

/** Makes one signer of a viem account, a viem wallet client with an account, or an ethers v6 Signer. */
export function toTenantSigner(tenant: Tenant): TenantSigner {
  if ("getAddress" in tenant) {
    return {
      address: async () => lowercaseHex(await tenant.getAddress()),
      sign: async ({ domain, types, message }) =>
        lowercaseHex(await tenant.signTypedData(domain, types, message)),
    };
  }
  if ("account" in tenant) {
    const { account } = tenant;
    return {
      address: async () => lowercaseHex(account.address),
      sign: async (typedData) => lowercaseHex(await tenant.signTypedData({ ...typedData, account })),
    };
  }
  return {
    address: async () => lowercaseHex(tenant.address),
    sign: async (typedData) => lowercaseHex(await tenant.signTypedData(typedData)),
  };
}

/** What the tenant can send transactions with; undefined for what only signs, and for an ethers Signer. */
export function walletOf(tenant: Tenant): Wallet | undefined {
  return "account" in tenant && "transport" in tenant ? tenant : undefined;
}

function lowercaseHex(text: string): Hex {
  const lower = text.toLowerCase();
  if (!/^0x(?:[0-9a-f]{2})+$/.test(lower)) {
    throw new ProtocolError("invalid_signature", { detail: "The tenant's signer did not answer with hex." });
  }
  return lower as Hex;
}
