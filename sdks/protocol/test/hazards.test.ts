import { createPublicKey, verify as verifyBytes } from "node:crypto";
import { bls12_381 } from "@noble/curves/bls12-381.js";
import { p256 } from "@noble/curves/nist.js";
import { decode as decodeLoosely } from "cbor-x";
import { describe, expect, it } from "vitest";
import { DpopProof, HolderKey, MerkleTree, ThresholdBls, UsageReceipt, Wire } from "../src/index.ts";
import { decodeCbor } from "../src/internal/cbor.ts";
import { gateway, repeated } from "./fixtures.ts";

/** Each hazard was reproduced in a library this project uses or could use; the first half of a test shows it. */
const parts = (jwt: string) => ({
  signingInput: jwt.slice(0, jwt.lastIndexOf(".")),
  signature: Buffer.from(jwt.slice(jwt.lastIndexOf(".") + 1), "base64url"),
});

describe("malleable P-256 signatures, which node:crypto accepts", () => {
  const { privateKey, jwk } = HolderKey.generate();
  const url = "https://gateway.example/v1/execute";
  const jwt = DpopProof.create({ method: "POST", url, nowSeconds: 1_700_000_000 }, privateKey);
  const { signingInput, signature } = parts(jwt);
  const { Fn } = p256.Point;
  const s = Fn.fromBytes(signature.subarray(32));
  const twinSignature = Buffer.concat([signature.subarray(0, 32), Fn.toBytes(Fn.neg(s))]);
  const twin = `${signingInput}.${twinSignature.toString("base64url")}`;

  it("exist for every proof", () => {
    const key = createPublicKey({ key: jwk, format: "jwk" });
    const input = Buffer.from(signingInput);
    expect(twin).not.toBe(jwt);
    expect(verifyBytes("sha256", input, { key, dsaEncoding: "ieee-p1363" }, twinSignature)).toBe(true);
  });

  it("name neither another proof nor another receipt", () => {
    const [one, other] = [jwt, twin].map((text) => DpopProof.parse(text));
    if (one === undefined || other === undefined) throw new Error("both were parsed");
    expect(other.proofHash).toBe(one.proofHash);
    const idOf = ({ claims }: DpopProof.DpopProof) =>
      UsageReceipt.receiptId({ gateway, jobId: repeated("c2"), claims });
    expect(idOf(other)).toBe(idOf(one));
  });
});

describe("CBOR that cbor-x decodes", () => {
  it.each([
    ["duplicate keys", "a201010102"],
    ["a non-minimal integer", "1b0000000000000005"],
    ["NaN", "f97e00"],
    ["a regular expression", "d81b82665265674578706161"],
  ])("%s is refused here", (_name, hex) => {
    const bytes = Buffer.from(hex, "hex");
    expect(() => decodeLoosely(bytes)).not.toThrow();
    expect(decodeCbor(bytes)).toBeUndefined();
  });
});

describe("BLS aggregates without proof of possession", () => {
  const secretOf = (byte: string) => BigInt(repeated(byte));
  const honest = ThresholdBls.decodeG2(ThresholdBls.publicKey(repeated("21")));
  const message = repeated("5a");

  it("accept a rogue key, whose owner signs for all; no proof of possession exists for it", () => {
    const mine = repeated("22");
    const rogue = bls12_381.G2.Point.BASE.multiply(secretOf("22")).subtract(honest);
    const aggregate = ThresholdBls.encodeG2(rogue.add(honest));
    expect(ThresholdBls.verify(message, ThresholdBls.partialSign(message, mine), aggregate)).toBe(true);

    const rogueKey = ThresholdBls.encodeG2(rogue);
    const possession = ThresholdBls.possessionMessage(rogueKey);
    const attempts = [mine, repeated("21")].flatMap((scalar) =>
      [ThresholdBls.POSSESSION_DST, ThresholdBls.SIGNATURE_DST].map((dst) =>
        ThresholdBls.partialSign(possession, scalar, dst),
      ),
    );
    for (const attempt of attempts)
      expect(ThresholdBls.verify(possession, attempt, rogueKey, ThresholdBls.POSSESSION_DST)).toBe(false);
  });

  it("do not exist here: a proof of possession for the aggregate says nothing about its parts", () => {
    const possession = ThresholdBls.possessionMessage(ThresholdBls.encodeG2(honest));
    const proof = ThresholdBls.partialSign(possession, repeated("21"), ThresholdBls.POSSESSION_DST);
    const other = ThresholdBls.publicKey(repeated("23"));
    expect(ThresholdBls.verify(possession, proof, other, ThresholdBls.POSSESSION_DST)).toBe(false);
  });
});

describe("forged Merkle proofs", () => {
  const leaves = [1, 2, 3, 4, 5].map((index) => Wire.keccakHex(Buffer.of(index)));
  const root = MerkleTree.root(leaves);

  it("cannot pass an inner node for a receipt: a leaf is hashed twice, a node once", () => {
    const [first = "0x", second = "0x"] = leaves;
    const pair = [first, second].sort();
    const node = Wire.keccakHex(Buffer.concat(pair.map((hash) => Wire.fromHex(hash))));
    const [, ...rest] = MerkleTree.proof(leaves, 0);
    // The tree alone cannot tell: a node with the rest of the path leads to the root.
    expect(MerkleTree.verify(root, node, rest)).toBe(true);
    // A receipt is seventeen words and more behind two hashes, and no 64 bytes of a pair are one.
    const receipt: UsageReceipt.UsageReceipt = {
      receiptId: first,
      jobId: second,
      capabilityHash: first,
      gateway,
      providerId: 1,
      modelHash: first,
      inputTokens: 1n,
      cachedInputTokens: 0n,
      outputTokens: 0n,
      requests: 1n,
      durationMs: 0n,
      costNano: 1n,
      tariffHash: first,
      requestHash: first,
      responseHash: first,
      proofHash: first,
      countersigned: false,
      occurredAtMs: 1n,
    };
    expect(UsageReceipt.leaf(receipt)).toBe(
      Wire.keccakHex(Wire.fromHex(UsageReceipt.structHash(receipt), 32)),
    );
    expect(MerkleTree.verify(root, UsageReceipt.leaf(receipt), MerkleTree.proof(leaves, 0))).toBe(false);
  });

  it("prove one leaf each: there is no multiproof whose flags could skip a hash", () => {
    expect(Object.keys(MerkleTree).filter((name) => /multi|flag/i.test(name))).toEqual([]);
    expect(MerkleTree.verify(root, leaves[0] ?? "0x", [])).toBe(false);
    expect(MerkleTree.verify(root, repeated("5a"), MerkleTree.proof(leaves, 0))).toBe(false);
  });
});
