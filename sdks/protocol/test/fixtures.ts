import { createPrivateKey } from "node:crypto";
import { type Hex, HolderKey, type UsageAuth, Wire } from "../src/index.ts";

/** Every key here is public knowledge: they only make tests and vectors repeatable. */
export const gatewayKey = repeated("11");
export const tenantKey = repeated("22");
export const providerKey = repeated("33");
export const gateway = Wire.privateKeyToAddress(gatewayKey);
export const tenant = Wire.privateKeyToAddress(tenantKey);
export const provider = Wire.privateKeyToAddress(providerKey);

export const domain = { chainId: 31337, verifyingContract: repeated("ab", 20) } as const;

/** The key of RFC 9449 section 4.2 has no published private part, so this one comes from RFC 7517 appendix A.2. */
export const holderPrivateKey = createPrivateKey({
  format: "jwk",
  key: {
    kty: "EC",
    crv: "P-256",
    x: "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
    y: "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
    d: "870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE",
  },
});
export const holderJwk = HolderKey.publicJwk(holderPrivateKey);
export const holder = HolderKey.thumbprint(holderJwk);

export const nowSeconds = 1_700_000_000;

export const claims: UsageAuth.Claims = {
  tenant,
  issuedAt: nowSeconds,
  notBefore: nowSeconds,
  expiresAt: nowSeconds + 300,
  tokenId: repeated("07", 16),
  jwk: holderJwk,
  capabilityHash: repeated("c1"),
  jobId: repeated("c2"),
  providers: [1, 2],
  models: ["gpt-sim", "text-embedding-sim"],
  remainingNano: 12_345_678_901n,
  binding: 1,
  countersigned: false,
};

export function repeated(byte: string, count = 32): Hex {
  return `0x${byte.repeat(count)}`;
}

/** The code of the ProtocolError that `action` throws, or what else became of it. */
export function codeOf(action: () => unknown): unknown {
  try {
    action();
    return "no error";
  } catch (error) {
    return error instanceof Error && "code" in error ? error.code : error;
  }
}
