import type { Address, Hex } from "viem";
import { z } from "zod";
import * as Capability from "./Capability.ts";
import { ZERO_BYTES32 } from "./Constants.ts";
import { ProtocolError } from "./Errors.ts";
import { lower } from "./internal/bytes.ts";
import { canonicalJson } from "./internal/canonicalJson.ts";
import { recoverDigest, signDigest } from "./internal/ecdsa.ts";
import { type Domain, defineStruct } from "./internal/eip712.ts";
import { parseJson } from "./internal/json.ts";
import { keccakHex } from "./internal/keccak.ts";
import { describeEvent, readPageText, type UnreadEvent } from "./internal/readPageText.ts";
import { readUsageText } from "./internal/readUsageText.ts";
import * as Quote from "./Quote.ts";
import * as UsageReceipt from "./UsageReceipt.ts";
import * as UsageReport from "./UsageReport.ts";
import * as Wire from "./Wire.ts";

export type JobOpened = {
  capability: Capability.Capability;
  capabilitySignature: Hex;
  signedQuote: Quote.SignedQuote;
};

export type Usage = {
  receipt: UsageReceipt.UsageReceipt;
  receiptSignature: Hex;
  /** The caller's DPoP JWT. */
  proof: string;
  /** The Usage-Auth token the proof is for. */
  usageAuth: string;
  usageReport: UsageReport.SignedUsageReport | null;
};

export type JobClosed = { jobId: Hex; proof: string; usageAuth: string };

export type FeedBody =
  | { kind: "job-opened"; body: JobOpened }
  | { kind: "usage"; body: Usage }
  | { kind: "job-closed"; body: JobClosed };

/** An event before it is chained. */
export type FeedDraft = FeedBody & {
  gateway: Address;
  /** From 1, without gaps. */
  seq: bigint;
  recordedAtMs: bigint;
  /** Hash of the event before; 32 zero bytes for the first. */
  previousHash: Hex;
};

/** One entry of a gateway's append-only, hash-chained feed. */
export type FeedEvent = FeedDraft & { hash: Hex };

export type FeedHead = { gateway: Address; seq: bigint; hash: Hex };

export type FeedPage = { events: FeedEvent[]; head: FeedHead & { signature: Hex } };

export const FIRST_PREVIOUS_HASH: Hex = ZERO_BYTES32;

/** keccak256 of the RFC 8785 JSON of the event without `hash`. */
export function hash(draft: FeedDraft): Hex {
  return keccakHex(Buffer.from(canonicalText(draft), "utf8"));
}

export function create(draft: FeedDraft): FeedEvent {
  return { ...draft, hash: hash(draft) };
}

/** `create` together with the event's JSON text, for a writer of many: the text that is hashed is the one that is kept. */
export function createText(draft: FeedDraft): { event: FeedEvent; text: string } {
  const canonical = canonicalText(draft);
  const event = { ...draft, hash: keccakHex(Buffer.from(canonical, "utf8")) };
  return { event, text: `${canonical.slice(0, -1)},"hash":"${event.hash}"}` };
}

/** RFC 8785 JSON of a draft. Usage is most of a feed: its members are written in canonical order, so none is sorted. */
function canonicalText(draft: FeedDraft): string {
  if (draft.kind !== "usage") return canonicalJson(draftToJson(draft));
  const { receipt, receiptSignature, proof, usageAuth, usageReport } = draft.body;
  const texts = [proof, usageAuth, receiptSignature, draft.gateway, draft.previousHash];
  // Whatever is no plain token is left to the general writer, which knows what has to be escaped or refused.
  if (!texts.every((text) => PLAIN.test(text))) return canonicalJson(draftToJson(draft));
  const report = usageReport === null ? "null" : canonicalJson(UsageReport.toJson(usageReport));
  return (
    `{"body":{"proof":"${proof}","receipt":${JSON.stringify(UsageReceipt.toCanonical(receipt))},` +
    `"receiptSignature":"${lower(receiptSignature)}","usageAuth":"${usageAuth}","usageReport":${report}},` +
    `"gateway":"${lower(draft.gateway)}","kind":"usage","previousHash":"${lower(draft.previousHash)}",` +
    `"recordedAtMs":"${draft.recordedAtMs}","seq":"${draft.seq}"}`
  );
}

const PLAIN = /^[A-Za-z0-9_.-]*$/;

/**
 * Checks that the events follow the one at the cursor (`seq` 0 and zero hash at the start), each linked to the one
 * before by number and hash, all of one gateway. Throws `invalid_request` naming the first that does not.
 * Returns the cursor after the last.
 */
export function verifyChain(events: readonly FeedEvent[], cursor: FeedHead): FeedHead {
  return verifyLinks(
    events.map((event) => ({ ...event, isHashed: event.hash === hash(event) })),
    cursor,
  );
}

/** What a chain is made of. `isHashed`: the hash is that of the event's content. */
export type Link = FeedHead & { previousHash: Hex; isHashed: boolean };

/** `verifyChain` for events whose hashes were computed already, elsewhere or at the same time. */
export function verifyLinks(links: readonly Link[], cursor: FeedHead): FeedHead {
  return links.reduce((previous: FeedHead, link) => {
    const isNext =
      link.gateway === lower(previous.gateway) &&
      link.seq === previous.seq + 1n &&
      link.previousHash === lower(previous.hash) &&
      link.isHashed;
    if (!isNext) {
      throw new ProtocolError("invalid_request", {
        detail: `Event ${link.seq} does not follow event ${previous.seq}.`,
        param: "events",
      });
    }
    return { gateway: link.gateway, seq: link.seq, hash: link.hash };
  }, cursor);
}

const head = defineStruct<FeedHead>("FeedHead", UsageReceipt.DOMAIN_NAME, {
  gateway: "address",
  seq: "uint64",
  hash: "bytes32",
});

/** EIP-712 digest under the domain of UsageReceipts. */
export function headHash(feedHead: FeedHead, domain: Domain): Hex {
  const { gateway, seq, hash } = feedHead;
  return head.digest({ gateway, seq, hash }, domain);
}

export const headTypedData = head.typedData;

export function signHead(feedHead: FeedHead, domain: Domain, gatewayPrivateKey: Hex): FeedPage["head"] {
  return { ...feedHead, signature: signDigest(headHash(feedHead, domain), gatewayPrivateKey) };
}

/** Lowercase address of the signer, or null for a malformed or malleable signature. */
export function recoverHead(signedHead: FeedPage["head"], domain: Domain): Address | null {
  return recoverDigest(headHash(signedHead, domain), signedHead.signature);
}

const shared = {
  gateway: Wire.address,
  seq: Wire.uint64,
  recordedAtMs: Wire.uint64,
  previousHash: Wire.bytes32,
  hash: Wire.bytes32,
};

const jobOpenedSchema: z.ZodType<JobOpened> = z.strictObject({
  capability: Capability.schema,
  capabilitySignature: Wire.accountSignature,
  signedQuote: Quote.signedSchema,
});

const usageSchema: z.ZodType<Usage> = z.strictObject({
  receipt: UsageReceipt.schema,
  receiptSignature: Wire.signature,
  proof: Wire.token,
  usageAuth: Wire.token,
  usageReport: UsageReport.schema.nullable(),
});

const jobClosedSchema: z.ZodType<JobClosed> = z.strictObject({
  jobId: Wire.bytes32,
  proof: Wire.token,
  usageAuth: Wire.token,
});

/** Checks the form only; `verifyChain` checks the hashes. */
export const schema: z.ZodType<FeedEvent> = z.discriminatedUnion("kind", [
  z.strictObject({ ...shared, kind: z.literal("job-opened"), body: jobOpenedSchema }),
  z.strictObject({ ...shared, kind: z.literal("usage"), body: usageSchema }),
  z.strictObject({ ...shared, kind: z.literal("job-closed"), body: jobClosedSchema }),
]);

const signedHeadSchema: z.ZodType<FeedPage["head"]> = z.strictObject({
  gateway: Wire.address,
  seq: Wire.uint64,
  hash: Wire.bytes32,
  signature: Wire.signature,
});

const MAX_PAGE_EVENTS = 10_000;

export const pageSchema: z.ZodType<FeedPage> = z.strictObject({
  events: z.array(schema).max(MAX_PAGE_EVENTS),
  head: signedHeadSchema,
});

export type { UnreadEvent };

/** A page whose events nobody has looked at; the text of each is given to `receive`, on whatever thread. */
export type UnreadPage = { events: UnreadEvent[]; head: FeedPage["head"] };

const parsedPageSchema = z.strictObject({ events: z.array(z.unknown()), head: z.unknown() });

/** Reads the head of a page and cuts out its events. Throws `invalid_request`. */
export function readPage(text: string): UnreadPage {
  const cut = readPageText(text);
  const { events, head } = cut === null ? parsePage(text) : { ...cut, head: parseText(cut.headText) };
  if (events.length > MAX_PAGE_EVENTS) throw notJson("The page has too many events.");
  return { events, head: Wire.parse(signedHeadSchema, head) };
}

function parsePage(text: string): { events: UnreadEvent[]; head: unknown } {
  const { events, head } = Wire.parse(parsedPageSchema, parseText(text));
  return { events: events.map((value) => describeEvent(value)), head };
}

function parseText(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw notJson("The page is not JSON.", cause);
  }
}

function notJson(detail: string, cause?: unknown): ProtocolError {
  return new ProtocolError("invalid_request", { detail, cause });
}

/**
 * Reads the text of one event, which is not trusted, and says whether its hash is that of its content: in one pass for
 * usage spelt as `createText` spells it. Throws `invalid_request` for what is no event in compact JSON; a wrong hash is
 * told, because it convicts the gateway.
 */
export function receive(text: string): { event: FeedEvent; isHashed: boolean } {
  const read = readUsageText(text);
  if (read !== null) {
    const { event, canonical } = read;
    return { event, isHashed: keccakHex(Buffer.from(canonical, "latin1")) === event.hash };
  }
  const event = Wire.parse(schema, parseJson(Buffer.from(text)));
  return { event, isHashed: hash(event) === event.hash };
}

function draftToJson(draft: FeedDraft) {
  return {
    gateway: lower(draft.gateway),
    seq: draft.seq.toString(),
    recordedAtMs: draft.recordedAtMs.toString(),
    kind: draft.kind,
    body: bodyToJson(draft),
    previousHash: lower(draft.previousHash),
  };
}

export function toJson(event: FeedEvent) {
  return { ...draftToJson(event), hash: lower(event.hash) };
}

export function pageToJson(page: FeedPage) {
  return {
    events: page.events.map(toJson),
    head: {
      gateway: lower(page.head.gateway),
      seq: page.head.seq.toString(),
      hash: lower(page.head.hash),
      signature: lower(page.head.signature),
    },
  };
}

function bodyToJson(entry: FeedBody) {
  switch (entry.kind) {
    case "job-opened":
      return {
        capability: Capability.toJson(entry.body.capability),
        capabilitySignature: lower(entry.body.capabilitySignature),
        signedQuote: Quote.signedToJson(entry.body.signedQuote),
      };
    case "usage":
      return {
        receipt: UsageReceipt.toJson(entry.body.receipt),
        receiptSignature: lower(entry.body.receiptSignature),
        proof: entry.body.proof,
        usageAuth: entry.body.usageAuth,
        usageReport: entry.body.usageReport === null ? null : UsageReport.toJson(entry.body.usageReport),
      };
    case "job-closed":
      return { jobId: lower(entry.body.jobId), proof: entry.body.proof, usageAuth: entry.body.usageAuth };
  }
}
