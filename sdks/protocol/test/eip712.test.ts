import { TypedDataEncoder, Wallet } from "ethers";
import fc from "fast-check";
import { hashStruct, hashTypedData, keccak256 } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { describe, expect, it } from "vitest";
import {
  BatchHeader,
  Capability,
  FeedEvent,
  Quote,
  Revocation,
  RevocationList,
  UsageReceipt,
  UsageReport,
  type Wire,
} from "../src/index.ts";
import type { TypedData } from "../src/internal/eip712.ts";
import * as arbitraries from "./arbitraries.ts";
import { domain, gatewayKey, repeated, tenant, tenantKey } from "./fixtures.ts";

type Noun<Value> = {
  name: string;
  arbitrary: fc.Arbitrary<Value>;
  hash: (value: Value, domain: Wire.Domain) => string;
  typedData: (value: Value, domain: Wire.Domain) => TypedData<Value>;
};

function check<Value extends object>(noun: Noun<Value>): { name: string; check: () => void } {
  return {
    name: noun.name,
    check: () =>
      fc.assert(
        fc.property(noun.arbitrary, fc.nat(), arbitraries.address, (value, chainId, verifyingContract) => {
          const ours = noun.hash(value, { chainId, verifyingContract });
          const typed = noun.typedData(value, { chainId, verifyingContract });
          const message = Object.fromEntries(Object.entries(value));
          expect(ours).toBe(hashTypedData({ ...typed, message }));
          expect(ours).toBe(TypedDataEncoder.hash(typed.domain, typed.types, message));
        }),
        { numRuns: 15 },
      ),
  };
}

const head = fc.record({ gateway: arbitraries.address, seq: arbitraries.uint64, hash: arbitraries.bytes32 });

const uint256 = fc.bigInt({ min: 0n, max: 2n ** 256n - 1n });
const revocation = fc.record({
  tenant: arbitraries.address,
  salt: arbitraries.bytes32,
  deadline: uint256,
});
const revokeAll = fc.record({
  tenant: arbitraries.address,
  revokedAt: arbitraries.uint64,
  deadline: uint256,
});
const listHead = fc.record({
  gateway: arbitraries.address,
  afterSeq: arbitraries.uint64,
  toSeq: arbitraries.uint64,
  headSeq: arbitraries.uint64,
  issuedAtMs: arbitraries.uint64,
  entriesHash: arbitraries.bytes32,
});

describe("digests equal those of viem and ethers", () => {
  it.each([
    check({ ...Quote, name: "Quote", arbitrary: arbitraries.quote }),
    check({ ...Capability, name: "Capability", arbitrary: arbitraries.capability }),
    check({ ...UsageReceipt, name: "UsageReceipt", arbitrary: arbitraries.receipt }),
    check({ ...UsageReport, name: "UsageReport", arbitrary: arbitraries.report }),
    check({ ...BatchHeader, name: "BatchHeader", arbitrary: arbitraries.header }),
    check({
      name: "FeedHead",
      arbitrary: head,
      hash: FeedEvent.headHash,
      typedData: FeedEvent.headTypedData,
    }),
    check({ ...Revocation, name: "Revocation", arbitrary: revocation }),
    check({
      name: "RevokeAll",
      arbitrary: revokeAll,
      hash: Revocation.hashAll,
      typedData: Revocation.typedDataAll,
    }),
    check({ ...RevocationList, name: "RevocationList", arbitrary: listHead }),
  ])("$name", (noun) => noun.check());

  it("makes the leaf of a receipt the hash of its struct hash", () => {
    fc.assert(
      fc.property(arbitraries.receipt, (receipt) => {
        const { types, primaryType } = UsageReceipt.typedData(receipt, domain);
        const structHash = hashStruct({ types, primaryType, data: { ...receipt } });
        expect(UsageReceipt.structHash(receipt)).toBe(structHash);
        expect(UsageReceipt.leaf(receipt)).toBe(keccak256(structHash));
      }),
      { numRuns: 10 },
    );
  });

  it("refuses a value that does not fit its type instead of cutting it", () => {
    const capability = sample();
    const hash = (change: object) => () => Capability.hash({ ...capability, ...change }, domain);
    expect(hash({ maxSpendNano: 2n ** 64n })).toThrow(RangeError);
    expect(hash({ maxSpendNano: -1n })).toThrow(RangeError);
    expect(hash({ binding: 256 })).toThrow(RangeError);
    expect(hash({ binding: 1.5 })).toThrow(RangeError);
    expect(hash({ holder: "0x01" })).toThrow(TypeError);
    expect(hash({ holder: `${capability.holder}00` })).toThrow(TypeError);
    expect(hash({ salt: `0x${"zz".repeat(32)}` })).toThrow(TypeError);
    expect(hash({ countersigned: 1 })).toThrow(TypeError);
    expect(hash({ tenant: undefined })).toThrow(TypeError);
  });

  it("leaves no trace of one value in the hash of the next", () => {
    const [first, second] = fc.sample(arbitraries.receipt, 2);
    if (!first || !second) throw new Error("fast-check gave no sample");
    const before = UsageReceipt.leaf(second);
    UsageReceipt.leaf(first);
    expect(UsageReceipt.leaf(second)).toBe(before);
  });
});

describe("wallets sign the typed data", () => {
  const capability = sample();
  const typed = Capability.typedData(capability, domain);

  it("viem", async () => {
    const signature = await privateKeyToAccount(tenantKey).signTypedData(typed);
    expect(signature).toBe(Capability.sign(capability, domain, tenantKey));
    expect(Capability.verifySignature(capability, signature, domain)).toBe(true);
  });

  it("ethers", async () => {
    const signature = await new Wallet(tenantKey).signTypedData(typed.domain, typed.types, typed.message);
    expect(signature).toBe(Capability.sign(capability, domain, tenantKey));
  });

  it("accepts the tenant's address in any case, and no other signer, chain, contract or content", () => {
    const signature = Capability.sign(capability, domain, tenantKey);
    const verify = (change: object, where: Wire.Domain = domain) =>
      Capability.verifySignature({ ...capability, ...change }, signature, where);
    expect(verify({ tenant: privateKeyToAccount(tenantKey).address })).toBe(true);
    expect(verify({ maxSpendNano: capability.maxSpendNano + 1n })).toBe(false);
    expect(verify({}, { ...domain, chainId: 1 })).toBe(false);
    expect(verify({}, { ...domain, verifyingContract: repeated("ac", 20) })).toBe(false);
    expect(
      Capability.verifySignature(capability, Capability.sign(capability, domain, gatewayKey), domain),
    ).toBe(false);
  });

  it("separates the nouns that share a domain", () => {
    const feedHead = { gateway: tenant, seq: 1n, hash: repeated("01") };
    expect(FeedEvent.headTypedData(feedHead, domain).domain.name).toBe("UsageReceipts");
    expect(Quote.typedData(fc.sample(arbitraries.quote, 1)[0] as Quote.Quote, domain).domain.name).toBe(
      "TariffQuote",
    );
    expect(typed.domain.name).toBe("CapabilityAuthority");
  });
});

function sample(): Capability.Capability {
  return {
    tenant,
    jobId: Capability.jobId(tenant, repeated("05")),
    quoteHash: repeated("06"),
    maxSpendNano: 5_000_000_000n,
    holder: repeated("a7"),
    binding: Capability.BINDING_EXPORTER,
    countersigned: true,
    validAfter: 1_700_000_000n,
    expiresAt: 1_700_003_600n,
    salt: repeated("05"),
  };
}
