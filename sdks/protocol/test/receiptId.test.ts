import { keccak256, toHex } from "viem";
import { encodeAbiParameters } from "viem/utils";
import { describe, expect, it } from "vitest";
import { DpopProof, UsageReceipt, Wire } from "../src/index.ts";
import { gatewayKey, claims as token } from "./fixtures.ts";

const gateway = Wire.privateKeyToAddress(gatewayKey);
const { jobId } = token;
const ikh = DpopProof.idempotencyKeyHash("key-1");
const jti = "a-jti-of-16-chars-1";
const idOf = (claims: { jti: string; ikh?: string }, at = gateway, of = jobId) =>
  UsageReceipt.receiptId({ gateway: at, jobId: of, claims });

describe("the id of a receipt", () => {
  it("is the EIP-712 hashStruct of the call's identity", () => {
    const typeHash = keccak256(
      toHex("CallIdentity(address gateway,bytes32 jobId,bytes32 idempotencyKeyHash,bytes32 proofIdHash)"),
    );
    const types = [
      { type: "bytes32" },
      { type: "address" },
      { type: "bytes32" },
      { type: "bytes32" },
      { type: "bytes32" },
    ] as const;
    const keyHash = Wire.toHex(Buffer.from(ikh, "base64url"));
    const zero = `0x${"00".repeat(32)}` as const;
    expect(idOf({ jti, ikh })).toBe(
      keccak256(encodeAbiParameters(types, [typeHash, gateway, jobId, keyHash, zero])),
    );
  });

  it("is one for all proofs of a call with an Idempotency-Key", () => {
    expect(idOf({ jti, ikh })).toBe(idOf({ jti: "another-jti-of-the-call", ikh }));
    expect(idOf({ jti, ikh })).toBe(UsageReceipt.receiptIdOfKey({ gateway, jobId, idempotencyKey: "key-1" }));
    expect(idOf({ jti, ikh })).not.toBe(idOf({ jti, ikh: DpopProof.idempotencyKeyHash("key-2") }));
  });

  it("is one for each proof of a call without", () => {
    expect(idOf({ jti })).toBe(idOf({ jti }));
    expect(idOf({ jti })).not.toBe(idOf({ jti: "another-jti-of-the-call" }));
  });

  it("is of one gateway and one job: the copy of another gateway has another id", () => {
    const other = Wire.privateKeyToAddress(`0x${"77".repeat(32)}`);
    expect(idOf({ jti, ikh }, other)).not.toBe(idOf({ jti, ikh }));
    expect(idOf({ jti, ikh }, gateway, token.capabilityHash)).not.toBe(idOf({ jti, ikh }));
  });

  it("keeps keys and proof ids apart, whoever chose the text", () => {
    expect(idOf({ jti, ikh: DpopProof.idempotencyKeyHash(jti) })).not.toBe(idOf({ jti }));
  });
});
