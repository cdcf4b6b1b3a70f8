import type { Address, Hex } from "viem";
import type { FeedEvent } from "../FeedEvent.ts";

const hex = (bytes: number) => `"(0x[0-9a-f]{${2 * bytes}})"`;
const ADDRESS = hex(20);
const BYTES32 = hex(32);
const SIGNATURE = hex(65);
const UINT64 = '"(0|[1-9][0-9]{0,19})"';
const PROVIDER = "([1-9][0-9]{0,9})";
const TOKEN = '"([A-Za-z0-9_.-]{1,4096})"';

/** The members of an object as compact JSON writes them, in the order given. */
const object = (members: Record<string, string>): string =>
  `{${Object.entries(members)
    .map(([name, pattern]) => `"${name}":${pattern}`)
    .join(",")}}`;

const report = object({
  cachedInputTokens: UINT64,
  durationMs: UINT64,
  inputTokens: UINT64,
  jobId: BYTES32,
  modelHash: BYTES32,
  outputTokens: UINT64,
  providerId: PROVIDER,
  receiptId: BYTES32,
  requests: UINT64,
});

const receipt = object({
  cachedInputTokens: UINT64,
  capabilityHash: BYTES32,
  costNano: UINT64,
  countersigned: "(true|false)",
  durationMs: UINT64,
  gateway: ADDRESS,
  inputTokens: UINT64,
  jobId: BYTES32,
  modelHash: BYTES32,
  occurredAtMs: UINT64,
  outputTokens: UINT64,
  proofHash: BYTES32,
  providerId: PROVIDER,
  receiptId: BYTES32,
  requestHash: BYTES32,
  requests: UINT64,
  responseHash: BYTES32,
  tariffHash: BYTES32,
});

const body = object({
  proof: TOKEN,
  receipt: `(${receipt})`,
  receiptSignature: SIGNATURE,
  usageAuth: TOKEN,
  usageReport: `(?:null|${object({ report, signature: SIGNATURE })})`,
});

const event = object({
  body: `(${body})`,
  gateway: ADDRESS,
  kind: '"usage"',
  previousHash: BYTES32,
  recordedAtMs: UINT64,
  seq: UINT64,
  hash: BYTES32,
});

const PATTERN = new RegExp(`^${event.replaceAll('{"', '\\{"')}$`);

/** `,"hash":"0x…"}` */
const HASH_MEMBER_CHARS = 10 + 66 + 1;
const REPORT_MEMBERS = 10;
const UINT64_LIMIT = 1n << 64n;
const UINT32_LIMIT = 2 ** 32;

/** A usage event with the canonical JSON of what its hash is of, of its body and of its receipt. */
export type ReadUsage = {
  event: FeedEvent & { kind: "usage" };
  canonical: string;
  bodyText: string;
  receiptText: string;
};

/**
 * Reads the text of a usage event as `FeedEvent.createText` writes it: one pass that checks form, spelling and order of
 * every member, so that the text is known to be canonical. Null for anything else, which only means that the schema has
 * to look at it.
 */
export function readUsageText(text: string): ReadUsage | null {
  const found = PATTERN.exec(text);
  if (found === null) return null;
  let at = 0;
  let fits = true;
  const hexadecimal = (): Hex => found[++at] as Hex;
  const uint64 = (): bigint => {
    const value = BigInt(found[++at] ?? "");
    fits &&= value < UINT64_LIMIT;
    return value;
  };
  const provider = (): number => {
    const value = Number(found[++at]);
    fits &&= value < UINT32_LIMIT;
    return value;
  };
  const token = (): string => found[++at] ?? "";
  const bodyText = token();
  // Members are evaluated in the order in which they are written here, which is that of the pattern.
  const proof = token();
  const receiptText = token();
  const receipt = {
    cachedInputTokens: uint64(),
    capabilityHash: hexadecimal(),
    costNano: uint64(),
    countersigned: token() === "true",
    durationMs: uint64(),
    gateway: hexadecimal() as Address,
    inputTokens: uint64(),
    jobId: hexadecimal(),
    modelHash: hexadecimal(),
    occurredAtMs: uint64(),
    outputTokens: uint64(),
    proofHash: hexadecimal(),
    providerId: provider(),
    receiptId: hexadecimal(),
    requestHash: hexadecimal(),
    requests: uint64(),
    responseHash: hexadecimal(),
    tariffHash: hexadecimal(),
  };
  const receiptSignature = hexadecimal();
  const usageAuth = token();
  let usageReport = null;
  if (found[at + 1] === undefined) at += REPORT_MEMBERS;
  else {
    const report = {
      cachedInputTokens: uint64(),
      durationMs: uint64(),
      inputTokens: uint64(),
      jobId: hexadecimal(),
      modelHash: hexadecimal(),
      outputTokens: uint64(),
      providerId: provider(),
      receiptId: hexadecimal(),
      requests: uint64(),
    };
    usageReport = { report, signature: hexadecimal() };
  }
  const gateway: Address = hexadecimal();
  const previousHash = hexadecimal();
  const recordedAtMs = uint64();
  const seq = uint64();
  const hash = hexadecimal();
  if (!fits) return null;
  return {
    event: {
      kind: "usage",
      body: { receipt, receiptSignature, proof, usageAuth, usageReport },
      gateway,
      previousHash,
      recordedAtMs,
      seq,
      hash,
    },
    canonical: `${text.slice(0, -HASH_MEMBER_CHARS)}}`,
    bodyText,
    receiptText,
  };
}
