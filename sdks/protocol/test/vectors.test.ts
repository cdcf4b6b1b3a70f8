import { createPrivateKey } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { SimpleMerkleTree } from "@openzeppelin/merkle-tree";
import { hashTypedData, recoverTypedDataAddress } from "viem";
import { describe, expect, it } from "vitest";
import {
  Batch,
  BatchHeader,
  Capability,
  DpopProof,
  HolderKey,
  Line,
  MerkleTree,
  Plan,
  Pricing,
  Quote,
  Sources,
  Tariff,
  ThresholdBls,
  UsageAuth,
  UsageReceipt,
  UsageReport,
  Wire,
} from "../src/index.ts";
import batchHeader from "../vectors/batchHeader.json" with { type: "json" };
import bls from "../vectors/bls.json" with { type: "json" };
import capability from "../vectors/capability.json" with { type: "json" };
import dpop from "../vectors/dpop.json" with { type: "json" };
import lines from "../vectors/lines.json" with { type: "json" };
import merkle from "../vectors/merkle.json" with { type: "json" };
import pricing from "../vectors/pricing.json" with { type: "json" };
import quote from "../vectors/quote.json" with { type: "json" };
import tariff from "../vectors/tariff.json" with { type: "json" };
import thumbprint from "../vectors/thumbprint.json" with { type: "json" };
import usageAuth from "../vectors/usageAuth.json" with { type: "json" };
import usageReceipt from "../vectors/usageReceipt.json" with { type: "json" };
import usageReport from "../vectors/usageReport.json" with { type: "json" };
import { codeOf } from "./fixtures.ts";

const hex = (text: string, bytes = 32) => Wire.parse(Wire.hex(bytes), text);
const signature = (text: string) => Wire.parse(Wire.signature, text);
const domainOf = (json: { chainId: number; verifyingContract: string }): Wire.Domain => ({
  chainId: json.chainId,
  verifyingContract: Wire.parse(Wire.address, json.verifyingContract),
});

it("has a test for every file", () => {
  const tests = readdirSync(import.meta.dirname).filter((name) => name.endsWith(".test.ts"));
  const sources = tests.map((name) => readFileSync(new URL(name, import.meta.url), "utf8")).join();
  const files = readdirSync(new URL("../vectors/", import.meta.url));
  for (const file of files) expect(sources).toContain(`/vectors/${file}"`);
});

describe("pricing", () => {
  it.each(pricing.cases)("$name", ({ units, prices, costNano }) => {
    const cost = Pricing.costNano(
      Wire.parse(Pricing.unitsSchema, units),
      Wire.parse(Pricing.pricesSchema, prices),
    );
    expect(cost.toString()).toBe(costNano);
  });
});

describe("tariff", () => {
  it.each(tariff.cases)("$tariffHash", ({ tariff: json, tariffHash, canonicalJson }) => {
    expect(Tariff.hash(Wire.parse(Tariff.schema, json))).toBe(tariffHash);
    expect(Wire.keccakHex(Buffer.from(canonicalJson))).toBe(tariffHash);
  });
});

describe("quote", () => {
  const domain = domainOf(quote.domain);
  const value = Wire.parse(Quote.schema, quote.quote);

  it("hashes its plan and its tariffs", () => {
    expect(Quote.planHash(Wire.parse(Plan.schema, quote.plan))).toBe(quote.planHash);
    const tariffs = quote.tariffs.map((ref) => Wire.parse(Quote.tariffRefSchema, ref));
    expect(Quote.tariffsHash(tariffs)).toBe(quote.tariffsHash);
    expect(Quote.tariffsHash([...tariffs].reverse())).toBe(quote.tariffsHash);
  });

  it("has its digest and signature", async () => {
    expect(Quote.hash(value, domain)).toBe(quote.digest);
    expect(Quote.sign(value, domain, hex(quote.privateKey))).toBe(quote.signature);
    expect(Quote.recover(value, signature(quote.signature), domain)).toBe(quote.signer);
    const typed = { ...Quote.typedData(value, domain), message: { ...value } };
    const signer = await recoverTypedDataAddress({ ...typed, signature: signature(quote.signature) });
    expect(signer.toLowerCase()).toBe(quote.signer);
  });
});

describe("capability", () => {
  const domain = domainOf(capability.domain);
  it.each(capability.cases)("$digest", (vector) => {
    const value = Wire.parse(Capability.schema, vector.capability);
    expect(Capability.jobId(value.tenant, value.salt)).toBe(value.jobId);
    expect(Capability.hash(value, domain)).toBe(vector.digest);
    expect(hashTypedData({ ...Capability.typedData(value, domain), message: { ...value } })).toBe(
      vector.digest,
    );
    expect(Capability.sign(value, domain, hex(capability.privateKey))).toBe(vector.signature);
    expect(Capability.verifySignature(value, signature(vector.signature), domain)).toBe(true);
    expect(value.tenant).toBe(capability.signer);
  });
});

describe("usageReceipt", () => {
  const domain = domainOf(usageReceipt.domain);
  it.each(usageReceipt.cases)("$leaf", (vector) => {
    const value = Wire.parse(UsageReceipt.schema, vector.receipt);
    expect(UsageReceipt.structHash(value)).toBe(vector.structHash);
    expect(UsageReceipt.leaf(value)).toBe(vector.leaf);
    expect(UsageReceipt.hash(value, domain)).toBe(vector.digest);
    expect(UsageReceipt.sign(value, domain, hex(usageReceipt.privateKey))).toBe(vector.signature);
    expect(UsageReceipt.recover(value, signature(vector.signature), domain)).toBe(usageReceipt.signer);
  });
});

describe("usageReport", () => {
  it("travels in its header and names its signer", () => {
    const signed = UsageReport.fromHeader(usageReport.header);
    expect(UsageReport.toJson(signed)).toEqual({
      report: usageReport.report,
      signature: usageReport.signature,
    });
    expect(UsageReport.hash(signed.report, domainOf(usageReport.domain))).toBe(usageReport.digest);
    expect(UsageReport.recover(signed, domainOf(usageReport.domain))).toBe(usageReport.signer);
  });
});

describe("lines", () => {
  it.each(lines.cases)("$linesHash", (vector) => {
    const list = vector.lines.map(({ terms, ...json }) => {
      const line = Wire.parse(Line.schema, json);
      expect(Line.packTerms(line).toString()).toBe(terms);
      expect({ jobId: line.jobId, ...Line.unpackTerms(BigInt(terms)) }).toEqual(line);
      return line;
    });
    expect(Line.hash(list)).toBe(vector.linesHash);
  });

  it.each(lines.outcomes)("outcome $status", ({ outcome, ...json }) => {
    const { paidNano, feeNano, releasedNano, receiptCount, status } = Line.unpackOutcome(BigInt(outcome));
    expect({
      paidNano: paidNano.toString(),
      feeNano: feeNano.toString(),
      releasedNano: releasedNano.toString(),
      receiptCount,
      status,
    }).toEqual(json);
  });
});

describe("batchHeader", () => {
  it("is rebuilt from its receipts", () => {
    const header = Wire.parse(BatchHeader.schema, batchHeader.header);
    const sources = Wire.parse(Sources.schema, batchHeader.sources);
    expect(Sources.hash(sources)).toBe(header.sourcesHash);
    expect(BatchHeader.hash(header, domainOf(batchHeader.domain))).toBe(batchHeader.batchHash);
    const { laneId, keyEpoch, batchNumber, windowStart, windowEnd, previousBatchHash } = header;
    const built = Batch.build({
      laneId,
      keyEpoch,
      batchNumber,
      windowStart,
      windowEnd,
      previousBatchHash,
      sources,
      receipts: batchHeader.receipts.map((json) => Wire.parse(UsageReceipt.schema, json)).reverse(),
      finalJobs: new Map(batchHeader.finalJobs.map((job) => [hex(job.jobId), job.providerId])),
    });
    expect(built.header).toEqual(header);
    expect(built.leaves).toEqual(batchHeader.leaves);
    const { lines, receiptIds } = batchHeader;
    expect(Batch.toJson(built)).toMatchObject({ lines, receiptIds });
  });
});

describe("merkle", () => {
  it.each(merkle.cases)("$leaves.length leaves", ({ leaves, root, proofs }) => {
    const list = leaves.map((leaf) => hex(leaf));
    expect(MerkleTree.root(list)).toBe(root);
    expect(SimpleMerkleTree.of(list, { sortLeaves: false }).root).toBe(root);
    proofs.forEach((proof, index) => {
      expect(MerkleTree.proof(list, index)).toEqual(proof);
      expect(SimpleMerkleTree.verify(root, leaves[index] ?? "", proof)).toBe(true);
    });
  });
});

describe("bls", () => {
  const message = hex(bls.message);

  it("signs with each share and with the whole secret", () => {
    expect(ThresholdBls.SIGNATURE_DST).toBe(bls.signatureDst);
    expect(ThresholdBls.POSSESSION_DST).toBe(bls.possessionDst);
    expect(ThresholdBls.hashToPoint(message)).toBe(bls.hashedMessage);
    expect(ThresholdBls.publicKey(hex(bls.secret))).toBe(bls.publicKey);
    expect(ThresholdBls.partialSign(message, hex(bls.secret))).toBe(bls.signature);
    for (const share of bls.shares) {
      expect(ThresholdBls.publicKey(hex(share.scalar))).toBe(share.publicShare);
      expect(ThresholdBls.partialSign(message, hex(share.scalar))).toBe(share.partialSignature);
    }
  });

  it("combines and verifies", () => {
    const partials = bls.shares.map(({ index, partialSignature }) => ({
      index,
      signature: hex(partialSignature, 128),
    }));
    expect(ThresholdBls.combine(partials.slice(0, bls.threshold))).toBe(bls.signature);
    const publicKey = hex(bls.publicKey, 256);
    expect(ThresholdBls.verify(message, hex(bls.signature, 128), publicKey)).toBe(true);
    expect(ThresholdBls.possessionMessage(publicKey)).toBe(bls.possessionMessage);
    const proof = hex(bls.possessionProof, 128);
    expect(ThresholdBls.verify(hex(bls.possessionMessage), proof, publicKey, bls.possessionDst)).toBe(true);
  });
});

describe("usageAuth", () => {
  const isGateway = (address: string) => address === usageAuth.gateway;

  it("is issued and verified", () => {
    const { holder, gateway, remainingNano, ...rest } = UsageAuth.verify(usageAuth.token, {
      nowSeconds: usageAuth.nowSeconds,
      isGateway,
    });
    expect({ ...rest, remainingNano: remainingNano.toString() }).toEqual(usageAuth.claims);
    expect([holder, gateway]).toEqual([usageAuth.holder, usageAuth.gateway]);
    expect(UsageAuth.hash(usageAuth.token)).toBe(usageAuth.ath);
    expect(UsageAuth.issue({ ...rest, remainingNano }, hex(usageAuth.privateKey))).toBe(usageAuth.token);
  });

  it.each(usageAuth.invalid)("refuses $name", ({ token, nowSeconds, code }) => {
    expect(codeOf(() => UsageAuth.verify(token, { nowSeconds, isGateway }))).toBe(code);
  });
});

describe("dpop", () => {
  const { request } = dpop;
  const expected: DpopProof.Expected = {
    method: request.method,
    url: request.url,
    nowSeconds: request.nowSeconds,
    maxAgeSeconds: 60,
    holder: hex(dpop.holder),
    usageAuth: dpop.usageAuth,
    nonce: (nonce) => nonce === request.nonce,
    exporter: Wire.fromHex(dpop.exporter),
    bodyHash: dpop.bodyHash,
    idempotencyKey: dpop.idempotencyKey,
  };

  it("verifies, and its signing input is made again", () => {
    const proof = DpopProof.verify(dpop.jwt, expected);
    expect(proof.claims.maxCostNano?.toString()).toBe(dpop.maxCostNano);
    expect(proof.proofHash).toBe(dpop.proofHash);
    const again = DpopProof.create(
      {
        ...request,
        usageAuth: dpop.usageAuth,
        exporter: Wire.fromHex(dpop.exporter),
        body: dpop.body,
        maxCostNano: BigInt(dpop.maxCostNano),
        idempotencyKey: dpop.idempotencyKey,
      },
      createPrivateKey({ key: dpop.privateJwk, format: "jwk" }),
    );
    expect(DpopProof.proofHash(again)).toBe(dpop.proofHash);
  });

  it("names the receipt by gateway, job and key, or by the proof's own id without a key", () => {
    const { claims } = DpopProof.parse(dpop.jwt);
    expect(claims.ikh).toBe(dpop.idempotencyKeyHash);
    const call = { gateway: hex(dpop.gateway, 20), jobId: hex(dpop.jobId) };
    expect(UsageReceipt.receiptId({ ...call, claims })).toBe(dpop.receiptId);
    const { claims: withoutKey } = DpopProof.verify(dpop.withoutKey.jwt, {
      ...expected,
      idempotencyKey: null,
    });
    expect(UsageReceipt.receiptId({ ...call, claims: withoutKey })).toBe(dpop.withoutKey.receiptId);
  });

  it.each(dpop.invalid)("refuses $name", ({ jwt, code }) => {
    expect(codeOf(() => DpopProof.verify(jwt, expected))).toBe(code);
  });
});

describe("thumbprint", () => {
  it.each(thumbprint.cases)("$base64url", ({ jwk, ...vector }) => {
    const key = HolderKey.thumbprint(HolderKey.parse(jwk));
    expect(key).toBe(vector.thumbprint);
    expect(Wire.toBase64url(Wire.fromHex(key))).toBe(vector.base64url);
  });

  it.each(thumbprint.invalid)("refuses $name", ({ jwk }) => {
    expect(codeOf(() => HolderKey.parse(jwk))).toBe("invalid_proof");
  });
});
