import type { Address, Hex } from "viem";
import type { FeedEvent } from "../FeedEvent.ts";

const hex = (bytes: number) => `"(0x[0-9a-f]{${2 * bytes}})"`;
const ADDRESS = hex(20);
const BYTES32 = hex(32);
const SIGNATURE = hex(65);
const UINT64 = '"(0|[1-9][0-9]{0,19})"';
const PROVIDER = "([1-9][0-9]{0,9})";
// Counting up to a bound is what slows such a pattern down, so the length of a token is looked at afterwards.
const TOKEN = '"([A-Za-z0-9_.-]+)"';
const TOKEN_MAX_CHARS = 4096;

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
  receipt,
  receiptSignature: SIGNATURE,
  usageAuth: TOKEN,
  usageReport: `(?:null|${object({ report, signature: SIGNATURE })})`,
});

const event = object({
  body,
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

/** A usage event with the canonical JSON of what its hash is of. */
export type ReadUsage = { event: FeedEvent & { kind: "usage" }; canonical: string };

/**
 * Reads the text of a usage event as `FeedEvent.createText` writes it: one pass that checks form, spelling and order of
 * every member, so that the text is known to be canonical. Null for anything else, which only means that the schema has
 * to look at it.
 */
export function readUsageText(text: string): ReadUsage | null {
  const found = PATTERN.exec(text);
  if (found === null) return null;
  const groups = new Groups(found);
  // Members are evaluated in the order in which they are written here, which is that of the pattern.
  const proof = groups.token();
  const receipt = {
    cachedInputTokens: groups.uint64(),
    capabilityHash: groups.hex(),
    costNano: groups.uint64(),
    countersigned: groups.text() === "true",
    durationMs: groups.uint64(),
    gateway: groups.hex() as Address,
    inputTokens: groups.uint64(),
    jobId: groups.hex(),
    modelHash: groups.hex(),
    occurredAtMs: groups.uint64(),
    outputTokens: groups.uint64(),
    proofHash: groups.hex(),
    providerId: groups.provider(),
    receiptId: groups.hex(),
    requestHash: groups.hex(),
    requests: groups.uint64(),
    responseHash: groups.hex(),
    tariffHash: groups.hex(),
  };
  const receiptSignature = groups.hex();
  const usageAuth = groups.token();
  const usageReport = groups.skips(REPORT_MEMBERS)
    ? null
    : {
        report: {
          cachedInputTokens: groups.uint64(),
          durationMs: groups.uint64(),
          inputTokens: groups.uint64(),
          jobId: groups.hex(),
          modelHash: groups.hex(),
          outputTokens: groups.uint64(),
          providerId: groups.provider(),
          receiptId: groups.hex(),
          requests: groups.uint64(),
        },
        signature: groups.hex(),
      };
  const gateway: Address = groups.hex();
  const previousHash = groups.hex();
  const recordedAtMs = groups.uint64();
  const seq = groups.uint64();
  const hash = groups.hex();
  if (!groups.fit) return null;
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
  };
}

/** The groups of a match, one after the other. `fit`: each so far is within the bounds that the pattern leaves open. */
class Groups {
  readonly #found: RegExpExecArray;
  #at = 0;
  fit = true;

  constructor(found: RegExpExecArray) {
    this.#found = found;
  }

  text(): string {
    this.#at += 1;
    return this.#found[this.#at] ?? "";
  }

  hex(): Hex {
    return this.text() as Hex;
  }

  token(): string {
    const token = this.text();
    this.fit &&= token.length <= TOKEN_MAX_CHARS;
    return token;
  }

  uint64(): bigint {
    const value = BigInt(this.text());
    this.fit &&= value < UINT64_LIMIT;
    return value;
  }

  provider(): number {
    const value = Number(this.text());
    this.fit &&= value < UINT32_LIMIT;
    return value;
  }

  /** Passes over groups of which the first had no part in the match. */
  skips(count: number): boolean {
    if (this.#found[this.#at + 1] !== undefined) return false;
    this.#at += count;
    return true;
  }
}
