import { type KeyObject, randomBytes, sign as signBytes, verify as verifyBytes } from "node:crypto";
import QuickLRU from "quick-lru";
import type { Hex } from "viem";
import { z } from "zod";
import { CLOCK_SKEW_SECONDS, DPOP_MAX_BYTES } from "./Constants.ts";
import { ProtocolError } from "./Errors.ts";
import * as HolderKey from "./HolderKey.ts";
import { fromBase64url, lower, toBase64url, toHex } from "./internal/bytes.ts";
import { parseJson } from "./internal/json.ts";
import { readClaimsText } from "./internal/readClaimsText.ts";
import { sha256 } from "./internal/sha256.ts";
import * as UsageAuth from "./UsageAuth.ts";
import * as Wire from "./Wire.ts";

/** Claims of a proof: those of RFC 9449, and what it lacks: the TLS connection, the body and the price. */
export type DpopClaims = {
  jti: string;
  htm: string;
  htu: string;
  /** Unix seconds. */
  iat: number;
  nonce?: string;
  /** Hash of the Usage-Auth token, base64url. */
  ath?: string;
  /** RFC 9266 exporter of the connection, base64url. */
  ekm?: string;
  /** SHA-256 of the request body, base64url. */
  bodyHash?: string;
  /** The most the caller will pay for this call. */
  maxCostNano?: bigint;
  /** SHA-256 of the value of the Idempotency-Key header, base64url; absent when the request has none. */
  ikh?: string;
};

/** A parsed proof; `parse` checks its form, `verify` also its signature and its purpose. */
export type DpopProof = {
  claims: DpopClaims;
  jwk: HolderKey.Jwk;
  /** RFC 7638 thumbprint of `jwk`. */
  holder: Hex;
  proofHash: Hex;
};

export type CreateInput = {
  method: string;
  url: string;
  nowSeconds: number;
  /** At least 16 characters; random when absent. */
  jti?: string;
  nonce?: string;
  /** The token itself; its hash becomes `ath`. */
  usageAuth?: string;
  exporter?: Uint8Array;
  body?: Uint8Array | string;
  maxCostNano?: bigint;
  /** The value of the request's Idempotency-Key header; its hash becomes `ikh`. */
  idempotencyKey?: string;
};

export type Expected = {
  method: string;
  /** Absolute URL of the request; query and fragment do not count. */
  url: string;
  nowSeconds: number;
  maxAgeSeconds: number;
  /** Thumbprint of the only key allowed; null lets any key pass. */
  holder: Hex | null;
  /** The token of the request. Absent: the proof must not be for any token. */
  usageAuth?: string;
  /** Says whether a nonce is fresh. Absent: none is demanded. */
  nonce?: (nonce: string) => boolean;
  /** Exporter of this connection. Null or absent: the binding profile demands none. */
  exporter?: Uint8Array | null;
  /** SHA-256 of the body, base64url; a function is asked only once the cheaper checks have passed. Absent: not checked. */
  bodyHash?: string | (() => string);
  /** Says whether this proof was seen before. Asked last before the signature, so the answer must not change anything. */
  isReplayed?: (proof: DpopProof) => boolean;
  /** The Idempotency-Key header; null: the request has none, and the proof must not name one. Absent: not checked. */
  idempotencyKey?: string | null;
};

/** Makes a proof with ES256; the JWT is compact JSON, as `parse` demands. */
export function create(input: CreateInput, privateKey: KeyObject): string {
  const header = { typ: "dpop+jwt", alg: "ES256", jwk: HolderKey.publicJwk(privateKey) };
  const payload = {
    jti: input.jti ?? toBase64url(randomBytes(16)),
    htm: input.method,
    htu: normaliseUrl(input.url),
    iat: input.nowSeconds,
    ...(input.nonce === undefined ? {} : { nonce: input.nonce }),
    ...(input.usageAuth === undefined ? {} : { ath: UsageAuth.hash(input.usageAuth) }),
    ...(input.exporter === undefined ? {} : { ekm: toBase64url(input.exporter) }),
    ...(input.body === undefined ? {} : { bodyHash: bodyHash(input.body) }),
    ...(input.maxCostNano === undefined ? {} : { maxCostNano: input.maxCostNano.toString() }),
    ...(input.idempotencyKey === undefined ? {} : { ikh: idempotencyKeyHash(input.idempotencyKey) }),
  };
  Wire.parse(claimsSchema, payload);
  const signingInput = `${encodePart(header)}.${encodePart(payload)}`;
  const signature = signBytes("sha256", Buffer.from(signingInput), {
    key: privateKey,
    dsaEncoding: "ieee-p1363",
  });
  return `${signingInput}.${toBase64url(signature)}`;
}

/** SHA-256 of a body in base64url, the `bodyHash` claim. */
export function bodyHash(body: Uint8Array | string): string {
  return toBase64url(sha256(body));
}

/** SHA-256 of an Idempotency-Key in base64url, the `ikh` claim. */
export function idempotencyKeyHash(idempotencyKey: string): string {
  return toBase64url(sha256(idempotencyKey));
}

/** Strict parser: three canonical base64url parts of compact JSON, known members only; `invalid_proof`. */
export function parse(jwt: string): DpopProof {
  return split(jwt).proof;
}

/**
 * Verifies a proof for one request; the caller keeps the `jti` against replay. Cheap checks come first.
 * Errors: `invalid_proof`, `use_dpop_nonce` (missing or stale nonce), `binding_mismatch` (exporter), `proof_replayed`.
 */
export function verify(jwt: string, expected: Expected): DpopProof {
  const { proof, signingInput, signature } = split(jwt);
  const { claims } = proof;
  if (claims.htm !== expected.method) throw refusal("The proof is for another method.", "htm");
  if (claims.htu !== normaliseUrl(expected.url)) throw refusal("The proof is for another URL.", "htu");
  const isFuture = claims.iat > expected.nowSeconds + CLOCK_SKEW_SECONDS;
  if (isFuture || claims.iat < expected.nowSeconds - expected.maxAgeSeconds) {
    throw refusal("The proof is too old, or from the future.", "iat");
  }
  if (expected.holder !== null && proof.holder !== lower(expected.holder)) {
    throw refusal("The proof is by another key.", "jwk");
  }
  const ath = expected.usageAuth === undefined ? undefined : UsageAuth.hash(expected.usageAuth);
  if (claims.ath !== ath) throw refusal("The proof is for another token.", "ath");
  const { idempotencyKey } = expected;
  if (idempotencyKey !== undefined) {
    const ikh = idempotencyKey === null ? undefined : idempotencyKeyHash(idempotencyKey);
    if (claims.ikh !== ikh) throw refusal("The proof is for another Idempotency-Key.", "ikh");
  }
  if (expected.nonce && (claims.nonce === undefined || !expected.nonce(claims.nonce))) {
    throw new ProtocolError("use_dpop_nonce", { param: "nonce" });
  }
  if (expected.exporter && claims.ekm !== toBase64url(expected.exporter)) {
    throw new ProtocolError("binding_mismatch", { param: "ekm" });
  }
  if (expected.isReplayed?.(proof)) throw new ProtocolError("proof_replayed", { param: "jti" });
  const { bodyHash } = expected;
  if (bodyHash !== undefined && claims.bodyHash !== (typeof bodyHash === "string" ? bodyHash : bodyHash())) {
    throw refusal("The proof is for another body.", "bodyHash");
  }
  if (!isSignedBy(proof.jwk, signingInput, signature)) throw refusal("The signature is not valid.");
  return proof;
}

/**
 * Whether the key inside the proof signed it: what is left to check of a proof that `parse` gave for this very `jwt` and
 * whose claims were compared already. On its own it says nothing about who the caller is or what the proof is for.
 */
export function isSigned(jwt: string, proof: DpopProof): boolean {
  const dot = jwt.lastIndexOf(".");
  const signature = fromBase64url(jwt.slice(dot + 1));
  return signature !== null && isSignedBy(proof.jwk, jwt.slice(0, Math.max(0, dot)), signature);
}

function isSignedBy(jwk: HolderKey.Jwk, signingInput: string, signature: Uint8Array): boolean {
  const key = { key: HolderKey.toPublicKey(jwk), dsaEncoding: "ieee-p1363" } as const;
  return verifyBytes("sha256", Buffer.from(signingInput), key, signature);
}

/** SHA-256 of the ASCII `header.payload`: names the proof whatever its signature bytes are. */
export function proofHash(jwt: string): Hex {
  return toHex(sha256(jwt.slice(0, Math.max(0, jwt.lastIndexOf(".")))));
}

function split(jwt: string): { proof: DpopProof; signingInput: string; signature: Uint8Array } {
  if (jwt.length > DPOP_MAX_BYTES) throw refusal("The proof is too large.");
  const parts = jwt.split(".");
  const [headerText = "", payloadText = "", signatureText = ""] = parts;
  const payload = fromBase64url(payloadText);
  const signature = fromBase64url(signatureText);
  if (parts.length !== 3 || !payload || signature?.length !== 64) throw notCompact();
  const { jwk, holder } = signerOf(headerText);
  const claims = readClaims(payload);
  const signingInput = `${headerText}.${payloadText}`;
  return { proof: { claims, jwk, holder, proofHash: toHex(sha256(signingInput)) }, signingInput, signature };
}

/** The strict parser reads what was not written as `create` writes it, and says what is wrong with it. */
function readClaims(payload: Uint8Array): DpopClaims {
  const claims = readClaimsText(
    Buffer.from(payload.buffer, payload.byteOffset, payload.length).toString("latin1"),
  );
  if (claims !== null && isNormalUrl(claims.htu)) return claims;
  return Wire.parse(claimsSchema, parseJson(payload), "invalid_proof");
}

type Signer = Pick<DpopProof, "jwk" | "holder">;

// All proofs by one key have the same header. Bounded in number and size: strangers can push out, never grow.
const signers = new QuickLRU<string, Signer>({ maxSize: 4096 });
const KEPT_HEADER_CHARS = 512;

/** What a header says, read once per header; only what passed the parser is kept. */
function signerOf(headerText: string): Signer {
  const known = signers.get(headerText);
  if (known !== undefined) return known;
  const header = fromBase64url(headerText);
  if (!header || headerText === "") throw notCompact();
  const { jwk } = Wire.parse(headerSchema, parseJson(header), "invalid_proof");
  const signer: Signer = { jwk: Object.freeze(jwk), holder: HolderKey.thumbprint(jwk) };
  if (headerText.length <= KEPT_HEADER_CHARS) signers.set(headerText, signer);
  return signer;
}

function notCompact(): ProtocolError {
  return refusal("The proof is not a compact JWT in canonical base64url.");
}

function refusal(detail: string, param?: string): ProtocolError {
  return new ProtocolError("invalid_proof", { detail, ...(param === undefined ? {} : { param }) });
}

function encodePart(part: object): string {
  return toBase64url(Buffer.from(JSON.stringify(part)));
}

/** RFC 9449 section 4.3: without query and fragment, after syntax- and scheme-based normalisation. */
function normaliseUrl(url: string): string {
  const known = normalUrls.get(url);
  if (known !== undefined) return known;
  if (!URL.canParse(url)) throw refusal("The URL is not absolute.", "htu");
  const { origin, pathname } = new URL(url);
  const normal = `${origin}${pathname}`;
  if (url.length <= MAX_URL_CHARS) normalUrls.set(url, normal);
  return normal;
}

function isNormalUrl(url: string): boolean {
  return /^https?:/.test(url) && (normalUrls.has(url) || URL.canParse(url)) && url === normaliseUrl(url);
}

// A server has a handful of routes, and every proof for one names the same URL.
const MAX_URL_CHARS = 2048;
const normalUrls = new QuickLRU<string, string>({ maxSize: 256 });

const headerSchema = z.strictObject({
  typ: z.literal("dpop+jwt"),
  alg: z.literal("ES256"),
  jwk: HolderKey.schema,
});

const claimsSchema: z.ZodType<DpopClaims> = z.strictObject({
  jti: z.string().regex(/^[\x21-\x7e]{16,128}$/),
  htm: z.string().regex(/^[A-Z]{1,16}$/),
  htu: z.string().max(MAX_URL_CHARS).refine(isNormalUrl, "not a normal URL"),
  iat: z.int().min(0),
  nonce: z
    .string()
    .regex(/^[\x21-\x7e]{1,256}$/)
    .exactOptional(),
  ath: Wire.base64url(32).exactOptional(),
  ekm: Wire.base64url(32).exactOptional(),
  bodyHash: Wire.base64url(32).exactOptional(),
  maxCostNano: Wire.uint64.exactOptional(),
  ikh: Wire.base64url(32).exactOptional(),
});
