import { type Address, encodeAbiParameters, type Hex, keccak256 } from "viem";
import { z } from "zod";
import { lower } from "./internal/bytes.ts";
import { recoverDigest, signDigest } from "./internal/ecdsa.ts";
import { type Domain, defineStruct } from "./internal/eip712.ts";
import * as Wire from "./Wire.ts";

/** What a tenant signs once for a job: the lock and the grant to one key. Times are Unix seconds. */
export type Capability = {
  tenant: Address;
  jobId: Hex;
  quoteHash: Hex;
  maxSpendNano: bigint;
  /** RFC 7638 SHA-256 thumbprint of the caller's P-256 key. */
  holder: Hex;
  /** `BINDING_EXPORTER` or `BINDING_NONCE`. */
  binding: number;
  countersigned: boolean;
  validAfter: bigint;
  expiresAt: bigint;
  salt: Hex;
};

/** Proofs carry the RFC 9266 exporter of their TLS connection. */
export const BINDING_EXPORTER = 1;
/** Proofs carry a server nonce only: the weaker profile. */
export const BINDING_NONCE = 2;

export const DOMAIN_NAME = "CapabilityAuthority";

const struct = defineStruct<Capability>("Capability", DOMAIN_NAME, {
  tenant: "address",
  jobId: "bytes32",
  quoteHash: "bytes32",
  maxSpendNano: "uint64",
  holder: "bytes32",
  binding: "uint8",
  countersigned: "bool",
  validAfter: "uint64",
  expiresAt: "uint64",
  salt: "bytes32",
});

/** `keccak256(abi.encode(tenant, salt))`: nobody can occupy the job id of another tenant. */
export function jobId(tenant: Address, salt: Hex): Hex {
  return keccak256(encodeAbiParameters([{ type: "address" }, { type: "bytes32" }], [tenant, salt]));
}

/** EIP-712 digest under the domain of CapabilityAuthority. */
export function hash(capability: Capability, domain: Domain): Hex {
  return struct.digest(capability, domain);
}

export const typedData = struct.typedData;

/** For tests and tools that hold a raw key; wallets sign `typedData`. */
export function sign(capability: Capability, domain: Domain, privateKey: Hex): Hex {
  return signDigest(hash(capability, domain), privateKey);
}

/**
 * True when an EOA tenant signed. An ERC-1271 account can only be asked on chain, so false is not final for a
 * tenant that is a contract.
 */
export function verifySignature(capability: Capability, signature: Hex, domain: Domain): boolean {
  return recoverDigest(hash(capability, domain), signature) === lower(capability.tenant);
}

export const bindingSchema: z.ZodType<number> = z.literal([BINDING_EXPORTER, BINDING_NONCE]);

export const schema: z.ZodType<Capability> = z.strictObject({
  tenant: Wire.address,
  jobId: Wire.bytes32,
  quoteHash: Wire.bytes32,
  maxSpendNano: Wire.uint64,
  holder: Wire.bytes32,
  binding: bindingSchema,
  countersigned: z.boolean(),
  validAfter: Wire.uint64,
  expiresAt: Wire.uint64,
  salt: Wire.bytes32,
});

export function toJson(capability: Capability) {
  return {
    tenant: lower(capability.tenant),
    jobId: lower(capability.jobId),
    quoteHash: lower(capability.quoteHash),
    maxSpendNano: capability.maxSpendNano.toString(),
    holder: lower(capability.holder),
    binding: capability.binding,
    countersigned: capability.countersigned,
    validAfter: capability.validAfter.toString(),
    expiresAt: capability.expiresAt.toString(),
    salt: lower(capability.salt),
  };
}
