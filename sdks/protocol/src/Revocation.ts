import type { Address, Hex } from "viem";
import { z } from "zod";
import { DOMAIN_NAME } from "./Capability.ts";
import { lower } from "./internal/bytes.ts";
import { signDigest } from "./internal/ecdsa.ts";
import { type Domain, defineStruct } from "./internal/eip712.ts";
import * as Wire from "./Wire.ts";

/** Voids one capability for good, by its salt: what `CapabilityAuthority.revokeWithSignature` takes. */
export type Revocation = {
  tenant: Address;
  salt: Hex;
  /** Unix seconds, inclusive: the latest moment at which it may be handed in. */
  deadline: bigint;
};

/**
 * Voids every capability of a tenant whose `validAfter` is at or before `revokedAt`. Gateways obey it; the contract
 * takes `revokeAll` from the tenant itself only.
 */
export type RevokeAll = {
  tenant: Address;
  /** Unix seconds. */
  revokedAt: bigint;
  /** Unix seconds, inclusive. */
  deadline: bigint;
};

const one = defineStruct<Revocation>("Revocation", DOMAIN_NAME, {
  tenant: "address",
  salt: "bytes32",
  deadline: "uint256",
});

const all = defineStruct<RevokeAll>("RevokeAll", DOMAIN_NAME, {
  tenant: "address",
  revokedAt: "uint64",
  deadline: "uint256",
});

/** EIP-712 digest under the domain of CapabilityAuthority. */
export function hash(revocation: Revocation, domain: Domain): Hex {
  return one.digest(revocation, domain);
}

/** EIP-712 digest under the domain of CapabilityAuthority. */
export function hashAll(revokeAll: RevokeAll, domain: Domain): Hex {
  return all.digest(revokeAll, domain);
}

export const typedData = one.typedData;
export const typedDataAll = all.typedData;

/** For tests and tools that hold a raw key; wallets sign `typedData`. */
export function sign(revocation: Revocation, domain: Domain, privateKey: Hex): Hex {
  return signDigest(hash(revocation, domain), privateKey);
}

/** For tests and tools that hold a raw key; wallets sign `typedDataAll`. */
export function signAll(revokeAll: RevokeAll, domain: Domain, privateKey: Hex): Hex {
  return signDigest(hashAll(revokeAll, domain), privateKey);
}

export const schema: z.ZodType<Revocation> = z.strictObject({
  tenant: Wire.address,
  salt: Wire.bytes32,
  deadline: Wire.uint64,
});

export const allSchema: z.ZodType<RevokeAll> = z.strictObject({
  tenant: Wire.address,
  revokedAt: Wire.uint64,
  deadline: Wire.uint64,
});

export function toJson({ tenant, salt, deadline }: Revocation) {
  return { tenant: lower(tenant), salt: lower(salt), deadline: deadline.toString() };
}

export function allToJson({ tenant, revokedAt, deadline }: RevokeAll) {
  return { tenant: lower(tenant), revokedAt: revokedAt.toString(), deadline: deadline.toString() };
}
