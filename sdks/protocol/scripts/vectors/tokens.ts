import { createPrivateKey } from "node:crypto";
import { p256 } from "@noble/curves/nist.js";
import { DpopProof, HolderKey, UsageAuth, UsageReceipt, Wire } from "../../src/index.ts";
import { bytes32, gatewayKey, holderPrivateJwk, tenantKey } from "./samples.ts";

const holderKey = createPrivateKey({ key: holderPrivateJwk, format: "jwk" });
const jwk = HolderKey.publicJwk(holderKey);
const nowSeconds = 1_700_000_000;

const claims: UsageAuth.Claims = {
  tenant: Wire.privateKeyToAddress(tenantKey),
  issuedAt: nowSeconds,
  notBefore: nowSeconds,
  expiresAt: nowSeconds + 300,
  tokenId: `0x${"07".repeat(16)}`,
  jwk,
  capabilityHash: bytes32("capability 1"),
  jobId: bytes32("job 1"),
  providers: [1, 2],
  models: ["gpt-sim", "text-embedding-sim"],
  remainingNano: 12_345_678_901n,
  binding: 1,
  countersigned: false,
};
const token = UsageAuth.issue(claims, gatewayKey);

export function usageAuth() {
  const bytes = Buffer.from(token, "base64url");
  const tagged = Buffer.concat([Buffer.of(0xd2), bytes]).toString("base64url");
  const flipped = Buffer.from(bytes);
  flipped.writeUInt8(flipped.readUInt8(flipped.length - 1) ^ 1, flipped.length - 1);
  return {
    description:
      "COSE_Sign1 (ES256K, untagged, deterministic CBOR) over CWT claims; ath = base64url SHA-256 of the token",
    privateKey: gatewayKey,
    gateway: Wire.privateKeyToAddress(gatewayKey),
    claims: { ...claims, remainingNano: claims.remainingNano.toString() },
    holder: HolderKey.thumbprint(jwk),
    token,
    ath: UsageAuth.hash(token),
    nowSeconds: nowSeconds + 1,
    invalid: [
      { name: "the COSE_Sign1 tag", token: tagged, nowSeconds, code: "invalid_usage_auth" },
      { name: "base64 padding", token: `${token}=`, nowSeconds, code: "invalid_usage_auth" },
      {
        name: "a changed signature",
        token: flipped.toString("base64url"),
        nowSeconds,
        code: "invalid_usage_auth",
      },
      {
        name: "a trailing byte",
        token: Buffer.concat([bytes, Buffer.of(0)]).toString("base64url"),
        nowSeconds,
        code: "invalid_usage_auth",
      },
      { name: "after its end", token, nowSeconds: nowSeconds + 300, code: "usage_auth_expired" },
      { name: "before its time", token, nowSeconds: nowSeconds - 60, code: "invalid_usage_auth" },
    ],
  };
}

export function dpop() {
  const exporter = new Uint8Array(32).fill(9);
  const body = '{"model":"gpt-sim","messages":[]}';
  const request = {
    method: "POST",
    url: "https://127.0.0.1:8443/v1/chat/completions",
    nowSeconds,
    jti: "vector-jti-0000000001",
    nonce: "vector-nonce",
  };
  const idempotencyKey = "vector-key-1";
  const input = { ...request, usageAuth: token, exporter, body, maxCostNano: 1_000_000n };
  const jwt = repeatable(DpopProof.create({ ...input, idempotencyKey }, holderKey));
  const withoutKey = repeatable(DpopProof.create(input, holderKey));
  const call = { gateway: Wire.privateKeyToAddress(gatewayKey), jobId: claims.jobId };
  const receiptIdOf = (proof: string) =>
    UsageReceipt.receiptId({ ...call, claims: DpopProof.parse(proof).claims });
  const [header = "", payload = "", signature = ""] = jwt.split(".");
  const none = Buffer.from(JSON.stringify({ typ: "dpop+jwt", alg: "none", jwk })).toString("base64url");
  const doubled = Buffer.from(payload, "base64url").toString().replace("{", '{"htm":"GET",');
  return {
    description:
      "DPoP (RFC 9449) with ekm, bodyHash, maxCostNano and ikh = base64url SHA-256 of the Idempotency-Key; proofHash = SHA-256 of ASCII header.payload; receiptId = hashStruct of CallIdentity(address gateway,bytes32 jobId,bytes32 idempotencyKeyHash,bytes32 proofIdHash)",
    privateJwk: holderPrivateJwk,
    holder: HolderKey.thumbprint(jwk),
    request,
    usageAuth: token,
    exporter: Wire.toHex(exporter),
    body,
    bodyHash: DpopProof.bodyHash(body),
    maxCostNano: "1000000",
    idempotencyKey,
    idempotencyKeyHash: DpopProof.idempotencyKeyHash(idempotencyKey),
    jwt,
    proofHash: DpopProof.proofHash(jwt),
    ...call,
    receiptId: receiptIdOf(jwt),
    withoutKey: { jwt: withoutKey, receiptId: receiptIdOf(withoutKey) },
    invalid: [
      { name: "alg none", jwt: `${none}.${payload}.`, code: "invalid_proof" },
      {
        name: "alg none with a signature",
        jwt: repeatable(`${none}.${payload}.${signature}`),
        code: "invalid_proof",
      },
      {
        name: "a duplicate claim, properly signed",
        jwt: repeatable(`${header}.${Buffer.from(doubled).toString("base64url")}.${signature}`),
        code: "invalid_proof",
      },
      { name: "padding", jwt: `${jwt}==`, code: "invalid_proof" },
      { name: "no signature", jwt: `${header}.${payload}.`, code: "invalid_proof" },
    ],
  };
}

/** Signs again by RFC 6979, because the signatures of node:crypto are random. */
function repeatable(jwt: string): string {
  const signingInput = jwt.slice(0, jwt.lastIndexOf("."));
  const secret = Buffer.from(holderPrivateJwk.d, "base64url");
  return `${signingInput}.${Wire.toBase64url(p256.sign(Buffer.from(signingInput), secret))}`;
}

export function thumbprint() {
  const published: HolderKey.Jwk = {
    kty: "EC",
    crv: "P-256",
    x: "l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs",
    y: "9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA",
  };
  return {
    description:
      "RFC 7638 SHA-256 thumbprint of a P-256 key; the first case is printed in RFC 9449 section 6.1",
    cases: [published, jwk].map((key) => ({
      jwk: key,
      thumbprint: HolderKey.thumbprint(key),
      base64url: Wire.toBase64url(Wire.fromHex(HolderKey.thumbprint(key))),
    })),
    invalid: [
      { name: "a point off the curve", jwk: { ...jwk, y: jwk.x } },
      { name: "padding", jwk: { ...jwk, x: `${jwk.x}=` } },
      { name: "another curve", jwk: { ...jwk, crv: "P-384" } },
      { name: "a private key", jwk: holderPrivateJwk },
    ],
  };
}
