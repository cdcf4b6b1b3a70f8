import { createPublicKey, type KeyObject, verify } from "node:crypto";
import { decode, encode, rfc8949EncodeOptions } from "cborg";
import { describe, expect, it } from "vitest";
import { DpopProof, HolderKey, UsageAuth, Wire } from "../src/index.ts";
import { decodeCbor } from "../src/internal/cbor.ts";
import { decodeSign1, encodeSign1, isBytes, sigStructure } from "../src/internal/cose.ts";
import { compressedPublicKey } from "../src/internal/ecdsa.ts";
import { sha256 } from "../src/internal/sha256.ts";
import published from "../vectors/published.json" with { type: "json" };
import { claims, codeOf, gatewayKey, holder, nowSeconds } from "./fixtures.ts";

const context = { nowSeconds, isGateway: () => true };
const bytesOf = (hex: string) => Buffer.from(hex, "hex");
const base64url = (hex: string) => bytesOf(hex).toString("base64url");
const keyOf = (x: string, y: string): KeyObject =>
  createPublicKey({ format: "jwk", key: { kty: "EC", crv: "P-256", x: base64url(x), y: base64url(y) } });

/** Reads a tagged message as any COSE library would, without this project's rules. */
function readTagged(hex: string): unknown[] {
  const untagged = bytesOf(hex).subarray(1);
  const message: unknown = decode(untagged, { useMaps: true });
  if (!Array.isArray(message)) throw new Error("not an array");
  return message;
}

describe("thumbprints as published", () => {
  it.each(published.thumbprints)("$standard section $section", ({ jwk, members, thumbprint, profile }) => {
    const required = Object.entries(jwk)
      .filter(([name]) => members.includes(name))
      .sort(([left], [right]) => (left < right ? -1 : 1));
    expect(Wire.toBase64url(sha256(JSON.stringify(Object.fromEntries(required))))).toBe(thumbprint);
    if (profile === "accepted")
      expect(Wire.toBase64url(Wire.fromHex(HolderKey.thumbprint(HolderKey.parse(jwk))))).toBe(thumbprint);
    else expect(codeOf(() => HolderKey.parse(jwk))).toBe("invalid_proof");
  });
});

describe("DPoP proofs as published", () => {
  it.each(published.proofs)("$standard section $section", ({ jwt, accessToken, ath, ...example }) => {
    const expected: DpopProof.Expected = {
      method: example.method,
      url: example.url,
      nowSeconds: example.iat,
      maxAgeSeconds: 60,
      holder: Wire.toHex(Buffer.from(published.thumbprints[1]?.thumbprint ?? "", "base64url")),
      ...(accessToken === null ? {} : { usageAuth: accessToken }),
    };
    const { claims: said } = DpopProof.verify(jwt, expected);
    expect(said).toEqual({
      jti: example.jti,
      htm: example.method,
      htu: example.url,
      iat: example.iat,
      ...(ath === null ? {} : { ath }),
    });
    if (accessToken !== null) expect(UsageAuth.hash(accessToken)).toBe(ath);

    // What RFC 9449 leaves open, a gateway demands: a nonce, the connection, the body.
    expect(codeOf(() => DpopProof.verify(jwt, { ...expected, nonce: () => true }))).toBe("use_dpop_nonce");
    expect(codeOf(() => DpopProof.verify(jwt, { ...expected, exporter: new Uint8Array(32) }))).toBe(
      "binding_mismatch",
    );
    expect(codeOf(() => DpopProof.verify(jwt, { ...expected, bodyHash: DpopProof.bodyHash("") }))).toBe(
      "invalid_proof",
    );
  });
});

describe("signed messages as published", () => {
  it.each(published.signed)("$standard section $section: $profile", ({ hex, x, y }) => {
    const [protectedHeader, , payload, signature] = readTagged(hex);
    if (!isBytes(protectedHeader) || !isBytes(payload) || !isBytes(signature)) throw new Error("no bytes");
    const signed = sigStructure(protectedHeader, payload);
    expect(verify("sha256", signed, { key: keyOf(x, y), dsaEncoding: "ieee-p1363" }, signature)).toBe(true);

    expect(codeOf(() => UsageAuth.verify(base64url(hex), context))).toBe("invalid_usage_auth");
    // Without the tag, the algorithm and the place of the key id still are not this profile's.
    expect(decodeSign1(bytesOf(hex).subarray(1))).toBeNull();
  });

  it.each(published.otherTokens)("$standard section $section: $profile", ({ hex }) => {
    expect(decodeCbor(bytesOf(hex))).toBeUndefined();
    expect(codeOf(() => UsageAuth.verify(base64url(hex), context))).toBe("invalid_usage_auth");
  });
});

describe("cnf claims as published", () => {
  const token = UsageAuth.issue(claims, gatewayKey);
  const withCnf = (cnf: string): string => {
    const { payload } = decodeSign1(Buffer.from(token, "base64url")) ?? {};
    const claimsSet: unknown = payload && decodeCbor(payload);
    if (!(claimsSet instanceof Map)) throw new Error("no claims");
    claimsSet.set(8, decode(bytesOf(cnf), { useMaps: true }));
    const changed = encode(claimsSet, rfc8949EncodeOptions);
    return Wire.toBase64url(encodeSign1(changed, compressedPublicKey(gatewayKey), gatewayKey));
  };

  it.each(published.confirmations)("$standard section $section: $profile", ({ cnf, x, y, profile }) => {
    if (profile !== "accepted" || x === undefined || y === undefined) {
      expect(codeOf(() => UsageAuth.verify(withCnf(cnf), context))).toBe("invalid_usage_auth");
      return;
    }
    const { jwk, holder: thumbprint } = UsageAuth.verify(withCnf(cnf), context);
    expect(jwk).toEqual({ kty: "EC", crv: "P-256", x: base64url(x), y: base64url(y) });
    expect(thumbprint).not.toBe(holder);
  });
});
