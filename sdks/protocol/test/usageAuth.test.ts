import { secp256k1 } from "@noble/curves/secp256k1.js";
import { decode as decodeLoosely } from "cbor-x";
import { decode, encode, rfc8949EncodeOptions } from "cborg";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Hex, ProtocolError, UsageAuth, Wire } from "../src/index.ts";
import { decodeCbor, encodeCbor, integer } from "../src/internal/cbor.ts";
import { decodeSign1, encodeSign1, sigStructure } from "../src/internal/cose.ts";
import { compressedPublicKey, signCompact } from "../src/internal/ecdsa.ts";
import { sha256 } from "../src/internal/sha256.ts";
import { address, bytes32, hex, uint64 } from "./arbitraries.ts";
import {
  claims,
  codeOf,
  gateway,
  gatewayKey,
  holder,
  holderJwk,
  nowSeconds,
  providerKey,
} from "./fixtures.ts";

const context = { nowSeconds: nowSeconds + 1, isGateway: (issuer: string) => issuer === gateway };
const token = UsageAuth.issue(claims, gatewayKey);
const verify = (text: string) => UsageAuth.verify(text, context);

describe("deterministic CBOR (RFC 8949 section 4.2.1)", () => {
  it.each([
    ["duplicate keys", "a201010102"],
    ["unsorted keys", "a202000100"],
    ["a non-minimal integer", "1805"],
    ["a non-minimal negative integer", "3800"],
    ["a non-minimal length", "580101"],
    ["a non-minimal 64-bit integer", "1b0000000000000005"],
    ["a tag", "c101"],
    ["a bignum", "c24101"],
    ["a regular expression (tag 35)", "d8236161"],
    ["the COSE_Sign1 tag", "d28440a04040"],
    ["NaN", "f97e00"],
    ["infinity", "f97c00"],
    ["an integral float", "f93c00"],
    ["negative zero", "f98000"],
    ["undefined", "f7"],
    ["a simple value", "e0"],
    ["an indefinite array", "9f01ff"],
    ["an indefinite map", "bf0101ff"],
    ["indefinite bytes", "5f4101ff"],
    ["a trailing byte", "0100"],
    ["a second item", "0101"],
    ["a truncated string", "6261"],
    ["malformed UTF-8", "62c328"],
    ["a break alone", "ff"],
    ["nothing", ""],
    ["4,000 nested arrays", `${"81".repeat(4000)}01`],
  ])("refuses %s", (_name, bytes) => {
    const value = decodeCbor(Buffer.from(bytes, "hex"));
    // A deep document may be well formed: what counts is that it neither crashes nor passes for a token.
    expect(bytes.startsWith("8181") || value === undefined).toBe(true);
    expect(decodeSign1(Buffer.from(bytes, "hex"))).toBeNull();
  });

  it("is what the encoder writes, equal to cborg's", () => {
    const leaf = fc.oneof(
      fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map(integer),
      fc.integer({ min: -70_007, max: 0xffff_ffff }),
      fc.string(),
      fc.boolean(),
      fc.uint8Array({ maxLength: 300 }),
    );
    const map = fc
      .uniqueArray(fc.tuple(fc.nat({ max: 70_000 }), leaf), { selector: ([key]) => key })
      .map((entries) => new Map(entries.sort(([left], [right]) => left - right)));
    fc.assert(
      fc.property(fc.oneof(leaf, map, fc.array(fc.oneof(leaf, map))), (value) => {
        const ours = Buffer.from(encodeCbor(value)).toString("hex");
        expect(ours).toBe(Buffer.from(encode(value, rfc8949EncodeOptions)).toString("hex"));
        expect(decodeCbor(Buffer.from(ours, "hex"))).toBeDefined();
      }),
    );
  });

  it("reads no bytes that it would write otherwise", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 24 }), (bytes) => {
        const value = decodeCbor(bytes);
        expect(value === undefined || Buffer.compare(encode(value, rfc8949EncodeOptions), bytes) === 0).toBe(
          true,
        );
      }),
      { numRuns: 2000 },
    );
  });
});

describe("UsageAuth (RFC 8392, RFC 8747)", () => {
  it("gives back the claims, the issuer and the holder", () => {
    expect(verify(token)).toEqual({ ...claims, gateway, holder });
  });

  it("carries the registered claims under their numbers, untagged, readable by any CBOR library", () => {
    const [, , payload] = decodeLoosely(Buffer.from(token, "base64url"));
    const read = decode(payload, { useMaps: true });
    expect(read.get(1)).toBe(gateway);
    expect(read.get(2)).toBe(claims.tenant);
    expect([read.get(4), read.get(5), read.get(6)]).toEqual([nowSeconds + 300, nowSeconds, nowSeconds]);
    expect(read.get(8).get(1).get(-1)).toBe(1);
    expect(read.get(-70005)).toBe(Number(claims.remainingNano));
  });

  it("reads back any claims", () => {
    fc.assert(
      fc.property(
        fc.record({
          tenant: address,
          tokenId: hex(16),
          capabilityHash: bytes32,
          jobId: bytes32,
          remainingNano: uint64,
          binding: fc.constantFrom(1, 2),
          countersigned: fc.boolean(),
          providers: fc.uniqueArray(fc.integer({ min: 1, max: 2 ** 32 - 1 }), { minLength: 1, maxLength: 8 }),
          models: fc.uniqueArray(fc.stringMatching(/^[!-~]{1,20}$/), { minLength: 1, maxLength: 8 }),
        }),
        (changes) => {
          const read = verify(UsageAuth.issue({ ...claims, ...changes }, gatewayKey));
          expect(read).toMatchObject({
            ...changes,
            providers: changes.providers.sort((left, right) => left - right),
            models: changes.models.sort(),
          });
        },
      ),
      { numRuns: 30 },
    );
  });

  it("refuses any token with one character changed", () => {
    fc.assert(
      fc.property(
        fc.nat({ max: token.length - 1 }),
        fc.stringMatching(/^[A-Za-z0-9_=+/. -]$/),
        (index, character) => {
          fc.pre(token[index] !== character);
          const changed = token.slice(0, index) + character + token.slice(index + 1);
          expect(codeOf(() => verify(changed))).toBe("invalid_usage_auth");
        },
      ),
      { numRuns: 300 },
    );
  });

  it("answers any text with a ProtocolError", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.base64String(), fc.uint8Array().map(Wire.toBase64url)), (text) => {
        expect(() => verify(text)).toThrow(ProtocolError);
      }),
    );
  });

  it.each([
    ["padding", `${token}=`],
    ["a blank", ` ${token}`],
    ["a line break", `${token}\n`],
    ["a second token", `${token}${token}`],
    ["more than 4096 bytes", "A".repeat(4100)],
    ["no bytes", ""],
  ])("refuses %s", (_name, text) => {
    expect(codeOf(() => verify(text))).toBe("invalid_usage_auth");
  });

  it("expires, and is not valid before its time", () => {
    const at = (seconds: number) => () => UsageAuth.verify(token, { ...context, nowSeconds: seconds });
    expect(codeOf(at(nowSeconds + 299))).toBe("no error");
    expect(codeOf(at(nowSeconds + 300))).toBe("usage_auth_expired");
    expect(codeOf(at(nowSeconds - 6))).toBe("invalid_usage_auth");
  });

  it("refuses a stranger's key, also under the name of an enrolled gateway", () => {
    expect(codeOf(() => verify(UsageAuth.issue(claims, providerKey)))).toBe("invalid_usage_auth");
    const stolenKid = forge({ kid: compressedPublicKey(gatewayKey), key: providerKey });
    const stolenName = forge({ kid: compressedPublicKey(providerKey), key: providerKey });
    expect(codeOf(() => verify(stolenKid))).toBe("invalid_usage_auth");
    expect(codeOf(() => verify(stolenName))).toBe("invalid_usage_auth");
  });

  it("accepts what the forging helper makes when nothing is forged", () => {
    expect(forge({})).toBe(token);
  });

  it.each<[string, (payload: Map<unknown, unknown>) => unknown]>([
    ["the name of another gateway", (payload) => payload.set(1, claims.tenant)],
    ["an unknown claim", (payload) => payload.set(3, "audience")],
    ["a missing claim", (payload) => payload.delete(-70007)],
    ["a text for a number", (payload) => payload.set(4, `${nowSeconds + 300}`)],
    ["a fractional time", (payload) => payload.set(4, nowSeconds + 300.5)],
    ["a negative ceiling", (payload) => payload.set(-70005, -1)],
    ["a ceiling in text", (payload) => payload.set(-70005, "5")],
    ["a checksummed address", (payload) => payload.set(2, "0xd8dA6BF26964aF9D7eEd9e03E53415D37aA96045")],
    ["a padded address", (payload) => payload.set(2, `${claims.tenant} `)],
    ["a short token id", (payload) => payload.set(7, new Uint8Array(15))],
    ["a capability hash in text", (payload) => payload.set(-70001, claims.capabilityHash)],
    ["unsorted providers", (payload) => payload.set(-70003, [2, 1])],
    ["repeated providers", (payload) => payload.set(-70003, [1, 1])],
    ["no providers", (payload) => payload.set(-70003, [])],
    ["repeated models", (payload) => payload.set(-70004, ["a", "a"])],
    ["a model with a blank", (payload) => payload.set(-70004, ["a "])],
    ["an unknown binding", (payload) => payload.set(-70006, 3)],
    ["a number for a flag", (payload) => payload.set(-70007, 1)],
    ["an end before the beginning", (payload) => payload.set(5, nowSeconds + 300)],
    ["a life of more than an hour", (payload) => payload.set(4, nowSeconds + 3601)],
    ["a key of another curve", (payload) => payload.set(8, cnf({ curve: 2 }))],
    ["an octet key", (payload) => payload.set(8, cnf({ type: 4 }))],
    ["a compressed key", (payload) => payload.set(8, cnf({ y: true }))],
    ["a key off the curve", (payload) => payload.set(8, cnf({ y: new Uint8Array(32) }))],
    ["a second confirmation", (payload) => payload.set(8, cnf({}).set(3, new Uint8Array(4)))],
  ])("refuses %s, although the gateway signed it", (_name, change) => {
    const payload = payloadMap();
    change(payload);
    const text = forge({ payload: encode(payload, rfc8949EncodeOptions) });
    expect(codeOf(() => verify(text))).toBe("invalid_usage_auth");
  });

  it.each<[string, (payload: Uint8Array) => Uint8Array]>([
    [
      "a duplicate claim",
      (payload) =>
        Buffer.concat([[0xaf], payload.subarray(1), [0x07, 0x40]].map((part) => Buffer.from(part))),
    ],
    ["a trailing byte", (payload) => Buffer.concat([payload, Buffer.of(0)])],
    ["a CWT tag", (payload) => Buffer.concat([Buffer.of(0xd8, 0x3d), payload])],
    ["claims in another order", () => encode([...payloadMap()].reverse(), rfc8949EncodeOptions)],
  ])("refuses %s in the signed payload", (_name, change) => {
    const text = forge({ payload: change(payloadBytes()) });
    expect(codeOf(() => verify(text))).toBe("invalid_usage_auth");
  });

  it.each<[string, (header: Map<unknown, unknown>) => unknown]>([
    ["ES256", (header) => header.set(1, -7)],
    ["an HMAC", (header) => header.set(1, 5)],
    ["no algorithm", (header) => header.delete(1)],
    ["a critical header", (header) => header.set(2, [1])],
    ["a content type", (header) => header.set(3, 60)],
    ["no key id", (header) => header.delete(4)],
    ["a key id that is no point", (header) => header.set(4, new Uint8Array(33))],
    [
      "an uncompressed key",
      (header) => header.set(4, secp256k1.getPublicKey(Wire.fromHex(gatewayKey), false)),
    ],
  ])("refuses %s in the protected header, although the gateway signed it", (_name, change) => {
    const header = new Map<unknown, unknown>([
      [1, -47],
      [4, compressedPublicKey(gatewayKey)],
    ]);
    expect(seal(encode(header, rfc8949EncodeOptions))).toBe(token);
    change(header);
    expect(codeOf(() => verify(seal(encode(header, rfc8949EncodeOptions))))).toBe("invalid_usage_auth");
  });

  it("refuses unprotected headers, other signatures, other lengths and a tag", () => {
    const bytes = Wire.fromBase64url(token) ?? new Uint8Array();
    const [header, unprotected, payload, signature] = decode(bytes, { useMaps: true });
    const forms = [
      [header, new Map([[1, -47]]), payload, signature],
      [header, unprotected, payload, new Uint8Array(64)],
      [header, unprotected, payload, new Uint8Array(0)],
      [header, unprotected, payload],
      [header, unprotected, payload, signature, 0],
    ].map((form) => encode(form, rfc8949EncodeOptions));
    for (const form of [...forms, Buffer.concat([Buffer.of(0xd2), bytes])]) {
      expect(codeOf(() => verify(Wire.toBase64url(form)))).toBe("invalid_usage_auth");
    }
  });

  it("does not issue what it would not accept", () => {
    const issue = (change: object) => () => UsageAuth.issue({ ...claims, ...change }, gatewayKey);
    expect(codeOf(issue({ providers: [] }))).toBe("invalid_request");
    expect(codeOf(issue({ expiresAt: nowSeconds + 3601 }))).toBe("invalid_request");
    expect(codeOf(issue({ jwk: { ...holderJwk, y: holderJwk.x } }))).toBe("invalid_request");
    const models = Array.from({ length: 64 }, (_, index) => `${"m".repeat(100)}${index}`);
    expect(codeOf(issue({ models }))).toBe("invalid_request");
  });
});

function payloadBytes(): Uint8Array {
  return decode(Wire.fromBase64url(token) ?? new Uint8Array(), { useMaps: true })[2];
}

function payloadMap(): Map<unknown, unknown> {
  return decode(payloadBytes(), { useMaps: true });
}

function forge(parts: { payload?: Uint8Array; kid?: Uint8Array; key?: Hex }): string {
  const { payload = payloadBytes(), kid = compressedPublicKey(gatewayKey), key = gatewayKey } = parts;
  return Wire.toBase64url(encodeSign1(payload, kid, key));
}

/** The token with another protected header, properly signed by the gateway. */
function seal(protectedHeader: Uint8Array): string {
  const digest = sha256(sigStructure(protectedHeader, payloadBytes()));
  const signature = signCompact(digest, Wire.fromHex(gatewayKey));
  return Wire.toBase64url(
    encode([protectedHeader, new Map(), payloadBytes(), signature], rfc8949EncodeOptions),
  );
}

function cnf(change: { type?: number; curve?: number; y?: unknown }): Map<number, unknown> {
  const key = new Map<number, unknown>([
    [1, change.type ?? 2],
    [-1, change.curve ?? 1],
    [-2, Wire.fromBase64url(holderJwk.x)],
    [-3, change.y ?? Wire.fromBase64url(holderJwk.y)],
  ]);
  return new Map<number, unknown>([[1, key]]);
}
