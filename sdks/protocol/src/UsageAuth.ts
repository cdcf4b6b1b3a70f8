import QuickLRU from "quick-lru";
import type { Address, Hex } from "viem";
import { z } from "zod";
import { bindingSchema } from "./Capability.ts";
import { CLOCK_SKEW_SECONDS, USAGE_AUTH_MAX_BYTES, USAGE_AUTH_MAX_LIFETIME_SECONDS } from "./Constants.ts";
import { ProtocolError } from "./Errors.ts";
import * as HolderKey from "./HolderKey.ts";
import { fromBase64url, fromHex, lower, toBase64url, toHex } from "./internal/bytes.ts";
import { decodeCbor, encodeCbor, integer } from "./internal/cbor.ts";
import { decodeSign1, encodeSign1, isBytes, type Sign1, verifySign1 } from "./internal/cose.ts";
import { compressedKeyToAddress, compressedPublicKey, privateKeyToAddress } from "./internal/ecdsa.ts";
import { sha256 } from "./internal/sha256.ts";
import * as Wire from "./Wire.ts";

/** What a gateway grants the holder of one capability, for minutes. Times are Unix seconds. */
export type Claims = {
  tenant: Address;
  expiresAt: number;
  notBefore: number;
  issuedAt: number;
  /** 16 random bytes. */
  tokenId: Hex;
  /** The holder's key (`cnf`, RFC 8747). */
  jwk: HolderKey.Jwk;
  capabilityHash: Hex;
  jobId: Hex;
  /** Strictly ascending provider ids. */
  providers: number[];
  /** Strictly ascending model names. */
  models: string[];
  remainingNano: bigint;
  binding: number;
  countersigned: boolean;
};

/** A verified token: `gateway` issued it, `holder` is the thumbprint of `jwk`. */
export type UsageAuth = Claims & { gateway: Address; holder: Hex };

export type VerifyContext = {
  nowSeconds: number;
  isGateway(address: Address): boolean;
};

const Claim = {
  iss: 1,
  sub: 2,
  exp: 4,
  nbf: 5,
  iat: 6,
  cti: 7,
  cnf: 8,
  capabilityHash: -70001,
  jobId: -70002,
  providers: -70003,
  models: -70004,
  remainingNano: -70005,
  binding: -70006,
  countersigned: -70007,
} as const;

/**
 * Issues the token: base64url of an untagged COSE_Sign1 (RFC 9052) over a CWT claims set (RFC 8392) in
 * deterministic CBOR, alg ES256K. Lists are sorted here. Throws `invalid_request` for claims no verifier would
 * accept.
 */
export function issue(claims: Claims, gatewayPrivateKey: Hex): string {
  const gateway = privateKeyToAddress(gatewayPrivateKey);
  const sorted: Claims = {
    ...claims,
    tenant: lower(claims.tenant),
    providers: [...claims.providers].sort((left, right) => left - right),
    models: [...claims.models].sort(),
  };
  Wire.parse(claimsSchema, sorted);
  const payload = encodeCbor(toMap(sorted, gateway));
  const token = toBase64url(encodeSign1(payload, compressedPublicKey(gatewayPrivateKey), gatewayPrivateKey));
  if (token.length > USAGE_AUTH_MAX_BYTES) {
    throw new ProtocolError("invalid_request", {
      detail: "The grants do not fit in one token.",
      param: "models",
    });
  }
  return token;
}

/**
 * Verifies a token offline. `invalid_usage_auth` for anything malformed, non-canonical, from an unknown
 * gateway, not yet valid or wrongly signed; `usage_auth_expired` when only its time is over.
 */
export function verify(token: string, context: VerifyContext): UsageAuth {
  const { message, usageAuth } = parse(token);
  if (!context.isGateway(usageAuth.gateway)) throw refusal("The issuer is not an enrolled gateway.");
  if (context.nowSeconds + CLOCK_SKEW_SECONDS < usageAuth.notBefore)
    throw refusal("The token is not valid yet.");
  if (!verifySign1(message)) throw refusal("The signature is not valid.");
  if (context.nowSeconds >= usageAuth.expiresAt) throw new ProtocolError("usage_auth_expired");
  return usageAuth;
}

export type Verifier = (token: string, nowSeconds: number) => UsageAuth;

const KEPT_TOKENS = 4096;

/**
 * `verify` for a server: the many calls under one token pay for its signature once. What can change is asked every time,
 * whether it has expired and whether its gateway is still enrolled. The memory is bounded whatever strangers send; a
 * refused token is never kept.
 */
export function createVerifier(isGateway: VerifyContext["isGateway"]): Verifier {
  const verified = new QuickLRU<string, UsageAuth>({ maxSize: KEPT_TOKENS });
  return (token, nowSeconds) => {
    const known = verified.get(token);
    if (known !== undefined && isGateway(known.gateway)) {
      if (nowSeconds >= known.expiresAt) throw new ProtocolError("usage_auth_expired");
      return known;
    }
    const usageAuth = verify(token, { nowSeconds, isGateway });
    verified.set(token, usageAuth);
    return usageAuth;
  };
}

/** SHA-256 of the ASCII token in base64url: the `ath` claim of RFC 9449. */
export function hash(token: string): string {
  return toBase64url(sha256(token));
}

function parse(token: string): { message: Sign1; usageAuth: UsageAuth } {
  if (token.length > USAGE_AUTH_MAX_BYTES) throw refusal("The token is too large.");
  const bytes = fromBase64url(token);
  const message = bytes === null ? null : decodeSign1(bytes);
  if (message === null) throw refusal("The token is not a canonical COSE_Sign1 with ES256K.");
  const payload = decodeCbor(message.payload);
  if (!(payload instanceof Map)) throw refusal("The claims are not canonical CBOR.");
  const { iss, ...claims } = fromMap(payload);
  const gateway = issuerOf(message);
  if (iss !== gateway) throw refusal("The issuer is not the owner of the signing key.");
  const parsed = Wire.parse(claimsSchema, claims, "invalid_usage_auth");
  return { message, usageAuth: { ...parsed, gateway, holder: HolderKey.thumbprint(parsed.jwk) } };
}

const addresses = new Map<string, Address>();

function issuerOf(message: Sign1): Address {
  const kid = toHex(message.kid);
  const known = addresses.get(kid);
  if (known !== undefined) return known;
  try {
    const address = compressedKeyToAddress(message.kid);
    if (addresses.size >= 1024) addresses.clear();
    addresses.set(kid, address);
    return address;
  } catch (cause) {
    throw refusal("The key id is not a secp256k1 key.", cause);
  }
}

function refusal(detail: string, cause?: unknown): ProtocolError {
  return new ProtocolError("invalid_usage_auth", { detail, cause, param: "usage-auth" });
}

function toMap(claims: Claims, gateway: Address): Map<number, unknown> {
  return new Map<number, unknown>([
    [Claim.iss, gateway],
    [Claim.sub, claims.tenant],
    [Claim.exp, integer(claims.expiresAt)],
    [Claim.nbf, integer(claims.notBefore)],
    [Claim.iat, integer(claims.issuedAt)],
    [Claim.cti, fromHex(claims.tokenId, 16)],
    [Claim.cnf, new Map([[1, coseKey(claims.jwk)]])],
    [Claim.capabilityHash, fromHex(claims.capabilityHash, 32)],
    [Claim.jobId, fromHex(claims.jobId, 32)],
    [Claim.providers, claims.providers],
    [Claim.models, claims.models],
    [Claim.remainingNano, integer(claims.remainingNano)],
    [Claim.binding, claims.binding],
    [Claim.countersigned, claims.countersigned],
  ]);
}

const CLAIM_COUNT = Object.keys(Claim).length;

/** Moves the claims into an object of the shape `claimsSchema` checks; wrong types stay wrong. */
function fromMap(claims: Map<unknown, unknown>): Record<string, unknown> {
  if (claims.size !== CLAIM_COUNT) throw refusal("The token has missing or unknown claims.");
  const remaining = claims.get(Claim.remainingNano);
  return {
    iss: claims.get(Claim.iss),
    tenant: claims.get(Claim.sub),
    expiresAt: claims.get(Claim.exp),
    notBefore: claims.get(Claim.nbf),
    issuedAt: claims.get(Claim.iat),
    tokenId: hexOrNull(claims.get(Claim.cti)),
    jwk: jwkOrNull(claims.get(Claim.cnf)),
    capabilityHash: hexOrNull(claims.get(Claim.capabilityHash)),
    jobId: hexOrNull(claims.get(Claim.jobId)),
    providers: claims.get(Claim.providers),
    models: claims.get(Claim.models),
    remainingNano: Number.isSafeInteger(remaining) ? BigInt(Number(remaining)) : remaining,
    binding: claims.get(Claim.binding),
    countersigned: claims.get(Claim.countersigned),
  };
}

function hexOrNull(value: unknown): Hex | null {
  return isBytes(value) ? toHex(value) : null;
}

/** RFC 9052 COSE_Key: kty EC2, crv P-256, x, y. */
function coseKey(jwk: HolderKey.Jwk): Map<number, unknown> {
  return new Map<number, unknown>([
    [1, 2],
    [-1, 1],
    [-2, fromBase64url(jwk.x)],
    [-3, fromBase64url(jwk.y)],
  ]);
}

function jwkOrNull(confirmation: unknown): HolderKey.Jwk | null {
  if (!(confirmation instanceof Map) || confirmation.size !== 1) return null;
  const key: unknown = confirmation.get(1);
  if (!(key instanceof Map) || key.size !== 4 || key.get(1) !== 2 || key.get(-1) !== 1) return null;
  const x: unknown = key.get(-2);
  const y: unknown = key.get(-3);
  if (!isBytes(x, 32) || !isBytes(y, 32)) return null;
  return { kty: "EC", crv: "P-256", x: toBase64url(x), y: toBase64url(y) };
}

const seconds = z.int().min(0);
const ascending = <Item extends number | string>(items: readonly Item[]) =>
  items.every((item, index) => index === 0 || (items[index - 1] ?? item) < item);

const claimsSchema: z.ZodType<Claims> = z
  .strictObject({
    tenant: Wire.address,
    expiresAt: seconds,
    notBefore: seconds,
    issuedAt: seconds,
    tokenId: Wire.hex(16),
    jwk: HolderKey.schema,
    capabilityHash: Wire.bytes32,
    jobId: Wire.bytes32,
    providers: z
      .array(Wire.providerId)
      .min(1)
      .max(64)
      .refine(ascending, "providers are not strictly ascending"),
    models: z.array(Wire.modelName).min(1).max(64).refine(ascending, "models are not strictly ascending"),
    remainingNano: z.bigint().min(0n).max(0xffff_ffff_ffff_ffffn),
    binding: bindingSchema,
    countersigned: z.boolean(),
  })
  .refine((claims) => claims.notBefore < claims.expiresAt, "the token ends before it begins")
  .refine(
    (claims) => claims.expiresAt - claims.issuedAt <= USAGE_AUTH_MAX_LIFETIME_SECONDS,
    "the token lives too long",
  );
