import type { Address, Hex } from "viem";
import { z } from "zod";
import { type ErrorCode, ProtocolError } from "./Errors.ts";
import { fromBase64url, lower, toBase64url } from "./internal/bytes.ts";
import { canonicalJson } from "./internal/canonicalJson.ts";
import { recoverDigest, signDigest } from "./internal/ecdsa.ts";
import { type Domain, defineStruct } from "./internal/eip712.ts";
import { parseJson } from "./internal/json.ts";
import type { Units } from "./Pricing.ts";
import { DOMAIN_NAME } from "./UsageReceipt.ts";
import * as Wire from "./Wire.ts";

/** The provider's own count for one call; its signature is the countersignature of the receipt. */
export type UsageReport = {
  receiptId: Hex;
  jobId: Hex;
  providerId: number;
  modelHash: Hex;
  inputTokens: bigint;
  cachedInputTokens: bigint;
  outputTokens: bigint;
  requests: bigint;
  durationMs: bigint;
};

export type SignedUsageReport = { report: UsageReport; signature: Hex };

const struct = defineStruct<UsageReport>("UsageReport", DOMAIN_NAME, {
  receiptId: "bytes32",
  jobId: "bytes32",
  providerId: "uint32",
  modelHash: "bytes32",
  inputTokens: "uint64",
  cachedInputTokens: "uint64",
  outputTokens: "uint64",
  requests: "uint64",
  durationMs: "uint64",
});

/** EIP-712 digest under the domain of UsageReceipts. */
export function hash(report: UsageReport, domain: Domain): Hex {
  return struct.digest(report, domain);
}

export const typedData = struct.typedData;

export function sign(report: UsageReport, domain: Domain, providerPrivateKey: Hex): SignedUsageReport {
  return { report, signature: signDigest(hash(report, domain), providerPrivateKey) };
}

/** Lowercase address of the signer, or null for a malformed or malleable signature. */
export function recover(signed: SignedUsageReport, domain: Domain): Address | null {
  return recoverDigest(hash(signed.report, domain), signed.signature);
}

export function units(report: UsageReport): Units {
  const { inputTokens, cachedInputTokens, outputTokens, requests, durationMs } = report;
  return { inputTokens, cachedInputTokens, outputTokens, requests, durationMs };
}

export const reportSchema: z.ZodType<UsageReport> = z.strictObject({
  receiptId: Wire.bytes32,
  jobId: Wire.bytes32,
  providerId: Wire.providerId,
  modelHash: Wire.bytes32,
  inputTokens: Wire.uint64,
  cachedInputTokens: Wire.uint64,
  outputTokens: Wire.uint64,
  requests: Wire.uint64,
  durationMs: Wire.uint64,
});

/** The signed report, the form in which it travels. */
export const schema: z.ZodType<SignedUsageReport> = z.strictObject({
  report: reportSchema,
  signature: Wire.signature,
});

export function reportToJson(report: UsageReport) {
  return {
    receiptId: lower(report.receiptId),
    jobId: lower(report.jobId),
    providerId: report.providerId,
    modelHash: lower(report.modelHash),
    inputTokens: report.inputTokens.toString(),
    cachedInputTokens: report.cachedInputTokens.toString(),
    outputTokens: report.outputTokens.toString(),
    requests: report.requests.toString(),
    durationMs: report.durationMs.toString(),
  };
}

export function toJson(signed: SignedUsageReport) {
  return { report: reportToJson(signed.report), signature: lower(signed.signature) };
}

const HEADER_MAX_CHARS = 4096;

/** Value of the `x-usage-report` header: base64url of the RFC 8785 JSON. */
export function toHeader(signed: SignedUsageReport): string {
  return toBase64url(Buffer.from(canonicalJson(toJson(signed))));
}

/** Strict inverse of `toHeader`; `invalid_signature` unless told otherwise. */
export function fromHeader(header: string, code: ErrorCode = "invalid_signature"): SignedUsageReport {
  const bytes = header.length <= HEADER_MAX_CHARS ? fromBase64url(header) : null;
  const document = bytes === null ? undefined : parseJson(bytes);
  if (document === undefined) {
    throw new ProtocolError(code, { detail: "The usage report is not base64url of compact JSON." });
  }
  return Wire.parse(schema, document, code);
}
