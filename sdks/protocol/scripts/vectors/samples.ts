import { type Address, type Hex, Wire } from "../../src/index.ts";

/** Every key here is public knowledge: they only make the vectors repeatable. */
export const gatewayKey: Hex = `0x${"11".repeat(32)}`;
export const tenantKey: Hex = `0x${"22".repeat(32)}`;
export const providerKey: Hex = `0x${"33".repeat(32)}`;
export const tariffKey: Hex = `0x${"44".repeat(32)}`;

export const contract: Address = `0x${"ab".repeat(20)}`;
export const domain = { chainId: 31337, verifyingContract: contract };

/** P-256 key of RFC 7517 appendix A.2. */
export const holderPrivateJwk = {
  kty: "EC",
  crv: "P-256",
  x: "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
  y: "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
  d: "870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE",
} as const;

/** Stands for any bytes32; the label says what it is. */
export function bytes32(label: string): Hex {
  return Wire.keccakHex(Buffer.from(label));
}

export const MAX_UINT64 = 2n ** 64n - 1n;
