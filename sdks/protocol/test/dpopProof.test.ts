import { createHmac, sign } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DpopProof, HolderKey, ProtocolError, UsageAuth, Wire } from "../src/index.ts";
import { readClaimsText } from "../src/internal/readClaimsText.ts";
import { claims, codeOf, gatewayKey, holder, holderJwk, holderPrivateKey, nowSeconds } from "./fixtures.ts";

const usageAuth = UsageAuth.issue(claims, gatewayKey);
const exporter = new Uint8Array(32).fill(9);
const body = '{"model":"gpt-sim"}';
const url = "https://127.0.0.1:8443/v1/chat/completions";
const input: DpopProof.CreateInput = {
  method: "POST",
  url,
  nowSeconds,
  nonce: "nonce-1",
  usageAuth,
  exporter,
  body,
  maxCostNano: 1_000n,
  idempotencyKey: "key-1",
};
const expected: DpopProof.Expected = {
  method: "POST",
  url,
  nowSeconds: nowSeconds + 1,
  maxAgeSeconds: 60,
  holder,
  usageAuth,
  nonce: (nonce) => nonce === "nonce-1",
  exporter,
  bodyHash: DpopProof.bodyHash(body),
  idempotencyKey: "key-1",
};
const jwt = DpopProof.create(input, holderPrivateKey);
const [headerPart = "", payloadPart = "", signaturePart = ""] = jwt.split(".");
const goodHeader = { typ: "dpop+jwt", alg: "ES256", jwk: holderJwk };
const goodPayload: Record<string, unknown> = JSON.parse(Buffer.from(payloadPart, "base64url").toString());

describe("the signature of a proof that was parsed", () => {
  it("holds for its own text only", () => {
    const proof = DpopProof.parse(jwt);
    const other = DpopProof.create({ ...input, maxCostNano: 2_000n }, holderPrivateKey);
    const [, otherPayload = "", otherSignature = ""] = other.split(".");
    expect(DpopProof.isSigned(jwt, proof)).toBe(true);
    expect(DpopProof.isSigned(`${headerPart}.${otherPayload}.${signaturePart}`, proof)).toBe(false);
    expect(DpopProof.isSigned(`${headerPart}.${payloadPart}.${otherSignature}`, proof)).toBe(false);
    expect(DpopProof.isSigned(`${headerPart}.${payloadPart}`, proof)).toBe(false);
    expect(DpopProof.isSigned(jwt, { ...proof, jwk: HolderKey.generate().jwk })).toBe(false);
  });
});

describe("the claims of a proof", () => {
  const payload = Buffer.from(payloadPart, "base64url").toString();
  const withPayload = (text: string): string =>
    `${headerPart}.${Buffer.from(text).toString("base64url")}.${signaturePart}`;

  it("are read in one pass only where the schema reads the same", () => {
    // A member moved to the end is read by the schema alone.
    const bySchema = (text: string) =>
      DpopProof.parse(withPayload(text.replace(/^\{("jti":"[^"]*"),(.*)\}$/, "{$2,$1}")));
    const piece = fc.constantFrom(
      '"',
      "0",
      "9",
      "-",
      "=",
      "A",
      "a",
      "1.0",
      "1e3",
      "\\u0041",
      "é",
      "18446744073709551616",
    );
    let read = 0;
    fc.assert(
      fc.property(fc.nat(), fc.nat(3), fc.option(piece, { nil: "" }), (place, length, inserted) => {
        const at = place % payload.length;
        const changed = `${payload.slice(0, at)}${inserted}${payload.slice(at + length)}`;
        const claims = readClaimsText(changed);
        if (claims === null) return;
        read += 1;
        if (codeOf(() => DpopProof.parse(withPayload(changed))) === "invalid_proof") {
          expect(codeOf(() => bySchema(changed))).toBe("invalid_proof");
          return;
        }
        expect(DpopProof.parse(withPayload(changed)).claims).toEqual(claims);
        expect(bySchema(changed).claims).toEqual(claims);
      }),
      { numRuns: 3_000 },
    );
    expect(read).toBeGreaterThan(100);
    expect(readClaimsText(payload)).toEqual(DpopProof.parse(jwt).claims);
    expect(bySchema(payload).claims).toEqual(DpopProof.parse(jwt).claims);
  });
});

describe("published examples", () => {
  it("parses and verifies the proof of RFC 9449 section 4.1", () => {
    const published = [
      "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19",
      "eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwiaWF0IjoxNTYyMjYyNjE2fQ",
      "2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg",
    ].join(".");
    const proof = DpopProof.verify(published, {
      method: "POST",
      url: "https://server.example.com/token",
      nowSeconds: 1562262616,
      maxAgeSeconds: 60,
      holder: null,
    });
    expect(proof.claims.jti).toBe("-BwC3ESc6acc2lTc");
    expect(Wire.toBase64url(Wire.fromHex(proof.holder))).toBe("0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I");
  });

  it("computes the ath of RFC 9449 section 7.1", () => {
    expect(UsageAuth.hash("Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU")).toBe(
      "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo",
    );
  });
});

describe("what costs much comes last", () => {
  const forged = `${headerPart}.${payloadPart}.${Buffer.alloc(64, 1).toString("base64url")}`;

  it("refuses a replay, forged or not, before its body is hashed", () => {
    let hashed = 0;
    const bodyHash = (): string => {
      hashed += 1;
      return DpopProof.bodyHash(body);
    };
    const replayed = { ...expected, bodyHash, isReplayed: () => true };
    expect(codeOf(() => DpopProof.verify(jwt, replayed))).toBe("proof_replayed");
    expect(codeOf(() => DpopProof.verify(forged, replayed))).toBe("proof_replayed");
    expect(codeOf(() => DpopProof.verify(jwt, { ...expected, bodyHash, nonce: () => false }))).toBe(
      "use_dpop_nonce",
    );
    expect(hashed).toBe(0);
    expect(DpopProof.verify(jwt, { ...expected, bodyHash, isReplayed: () => false }).holder).toBe(holder);
    expect(hashed).toBe(1);
  });

  it("asks about replay only once everything but body and signature is right", () => {
    let asked = 0;
    const isReplayed = (): boolean => {
      asked += 1;
      return false;
    };
    const wrong = { ...expected, isReplayed, exporter: new Uint8Array(32) };
    expect(codeOf(() => DpopProof.verify(jwt, wrong))).toBe("binding_mismatch");
    expect(asked).toBe(0);
    expect(codeOf(() => DpopProof.verify(forged, { ...expected, isReplayed }))).toBe("invalid_proof");
    expect(asked).toBe(1);
  });
});

describe("DpopProof (RFC 9449)", () => {
  it("verifies for its own request, ignoring query and fragment", () => {
    const proof = DpopProof.verify(jwt, { ...expected, url: `${url}?stream=1#x` });
    expect(proof.claims.maxCostNano).toBe(1_000n);
    expect(proof.holder).toBe(holder);
    expect(proof.proofHash).toBe(DpopProof.proofHash(jwt));
    expect(DpopProof.parse(jwt)).toEqual(proof);
  });

  it("normalises the URL as RFC 9449 section 4.3 says", () => {
    const proof = DpopProof.create({ ...input, url: "HTTPS://Example.COM:443/a/../b?c" }, holderPrivateKey);
    expect(DpopProof.parse(proof).claims.htu).toBe("https://example.com/b");
  });

  it.each<[string, Partial<DpopProof.Expected>, string]>([
    ["another method", { method: "GET" }, "invalid_proof"],
    ["another path", { url: `${url}/` }, "invalid_proof"],
    ["another host", { url: url.replace("127.0.0.1", "127.0.0.2") }, "invalid_proof"],
    ["another port", { url: url.replace("8443", "8444") }, "invalid_proof"],
    ["plain HTTP", { url: url.replace("https", "http") }, "invalid_proof"],
    ["another holder", { holder: claims.jobId }, "invalid_proof"],
    ["another token", { usageAuth: `${usageAuth}A` }, "invalid_proof"],
    ["another Idempotency-Key", { idempotencyKey: "key-2" }, "invalid_proof"],
    ["a key where the request has none", { idempotencyKey: null }, "invalid_proof"],
    ["another body", { bodyHash: DpopProof.bodyHash(`${body} `) }, "invalid_proof"],
    ["an old clock", { nowSeconds: nowSeconds - 6 }, "invalid_proof"],
    ["too late", { nowSeconds: nowSeconds + 61 }, "invalid_proof"],
    ["a stale nonce", { nonce: () => false }, "use_dpop_nonce"],
    ["another connection", { exporter: new Uint8Array(32) }, "binding_mismatch"],
  ])("refuses %s", (_name, change, code) => {
    expect(codeOf(() => DpopProof.verify(jwt, { ...expected, ...change }))).toBe(code);
  });

  it("refuses a proof for a token where none is expected", () => {
    const { usageAuth: _, ...withoutToken } = expected;
    expect(codeOf(() => DpopProof.verify(jwt, withoutToken))).toBe("invalid_proof");
  });

  it.each<[string, keyof DpopProof.CreateInput, string]>([
    ["nonce", "nonce", "use_dpop_nonce"],
    ["token hash", "usageAuth", "invalid_proof"],
    ["exporter", "exporter", "binding_mismatch"],
    ["body hash", "body", "invalid_proof"],
    ["key of the request", "idempotencyKey", "invalid_proof"],
  ])("refuses a proof without the %s that is demanded", (_name, member, code) => {
    const { [member]: _, ...rest } = input;
    const bare = DpopProof.create({ ...rest, method: "POST", url, nowSeconds }, holderPrivateKey);
    expect(codeOf(() => DpopProof.verify(bare, expected))).toBe(code);
  });

  it("lets the nonce profile do without exporter, as the capability says", () => {
    const { exporter: _, ...rest } = input;
    const bare = DpopProof.create(rest, holderPrivateKey);
    expect(codeOf(() => DpopProof.verify(bare, { ...expected, exporter: null }))).toBe("no error");
  });

  it("refuses any proof with one character changed", () => {
    fc.assert(
      fc.property(
        fc.nat({ max: jwt.length - 1 }),
        fc.stringMatching(/^[A-Za-z0-9_=.-]$/),
        (index, character) => {
          fc.pre(jwt[index] !== character);
          const changed = jwt.slice(0, index) + character + jwt.slice(index + 1);
          expect(() => DpopProof.verify(changed, expected)).toThrow(ProtocolError);
        },
      ),
      { numRuns: 300 },
    );
  });

  it("answers any text with a ProtocolError", () => {
    const part = fc.oneof(
      fc.string(),
      fc.json().map((text) => Buffer.from(text).toString("base64url")),
    );
    fc.assert(
      fc.property(fc.array(part, { maxLength: 4 }), (parts) => {
        expect(() => DpopProof.verify(parts.join("."), expected)).toThrow(ProtocolError);
      }),
    );
  });

  it("accepts what the forging helper makes when nothing is forged", () => {
    expect(codeOf(() => DpopProof.verify(forge({}), expected))).toBe("no error");
  });

  it.each<[string, object]>([
    ["alg none", { alg: "none" }],
    ["alg HS256", { alg: "HS256" }],
    ["alg ES256K", { alg: "ES256K" }],
    ["alg in lower case", { alg: "es256" }],
    ["another type", { typ: "JWT" }],
    ["a kid beside the key", { kid: "a" }],
    ["a critical extension", { crit: ["b64"], b64: false }],
    ["a key by reference", { jku: "https://evil.example/keys" }],
    ["a private key", { jwk: holderPrivateKey.export({ format: "jwk" }) }],
    ["a key of another curve", { jwk: { ...holderJwk, crv: "P-384" } }],
    ["a key off the curve", { jwk: { ...holderJwk, y: holderJwk.x } }],
    ["a symmetric key", { jwk: { kty: "oct", k: "AAAA" } }],
    ["no key", { jwk: undefined }],
  ])("refuses a header with %s", (_name, change) => {
    expect(codeOf(() => DpopProof.verify(forge({ header: { ...goodHeader, ...change } }), expected))).toBe(
      "invalid_proof",
    );
  });

  it.each<[string, object]>([
    ["an unknown claim", { sub: "x" }],
    ["a short jti", { jti: "short" }],
    ["a jti with a blank", { jti: `${goodPayload.jti} ` }],
    ["a lower-case method", { htm: "post" }],
    ["a URL with a query", { htu: `${url}?a=1` }],
    ["a URL with an upper-case host", { htu: "https://LOCALHOST/v1" }],
    ["a URL with credentials", { htu: "https://a:b@127.0.0.1:8443/v1/chat/completions" }],
    ["a URL of another scheme", { htu: "javascript:alert(1)" }],
    ["a fractional time", { iat: nowSeconds + 0.5 }],
    ["a time in text", { iat: `${nowSeconds}` }],
    ["a padded ath", { ath: `${goodPayload.ath}=` }],
    ["a short exporter", { ekm: "AAAA" }],
    ["a key in the clear", { ikh: "key-1" }],
    ["a padded hash of the key", { ikh: `${goodPayload.ikh}=` }],
    ["a numeric price", { maxCostNano: 1000 }],
    ["a price with a leading zero", { maxCostNano: "01000" }],
    ["a negative price", { maxCostNano: "-1" }],
    ["a null nonce", { nonce: null }],
    ["a missing method", { htm: undefined }],
  ])("refuses claims with %s", (_name, change) => {
    expect(codeOf(() => DpopProof.verify(forge({ payload: { ...goodPayload, ...change } }), expected))).toBe(
      "invalid_proof",
    );
  });

  const text = JSON.stringify(goodPayload);
  it.each<[string, string]>([
    ["duplicate claims", text.replace('{"jti"', '{"htm":"GET","jti"')],
    ["a prototype", text.replace("{", '{"__proto__":{},')],
    ["blanks", text.replace(",", ", ")],
    ["escaped characters", text.replace("POST", "P\\u004fST")],
    ["an exponent", text.replace(`${nowSeconds}`, "17e8")],
    ["bytes after the end", `${text}\n`],
    ["a byte-order mark", `\ufeff${text}`],
  ])("refuses %s in the JSON", (_name, payload) => {
    expect(payload).not.toBe(text);
    expect(codeOf(() => DpopProof.verify(forge({ payload }), expected))).toBe("invalid_proof");
  });

  it("refuses the public key used as an HMAC secret", () => {
    const header = encode({ ...goodHeader, alg: "HS256" });
    const secret = HolderKey.toPublicKey(holderJwk).export({ type: "spki", format: "pem" });
    const mac = createHmac("sha256", secret).update(`${header}.${payloadPart}`).digest("base64url");
    expect(codeOf(() => DpopProof.verify(`${header}.${payloadPart}.${mac}`, expected))).toBe("invalid_proof");
  });

  it("refuses signatures in DER, empty, zero, or by another key", () => {
    const signingInput = `${headerPart}.${payloadPart}`;
    const der = sign("sha256", Buffer.from(signingInput), holderPrivateKey).toString("base64url");
    const foreign = sign("sha256", Buffer.from(signingInput), {
      key: HolderKey.generate().privateKey,
      dsaEncoding: "ieee-p1363",
    }).toString("base64url");
    for (const signature of [der, foreign, "", "A".repeat(86), `${signaturePart}=`, `${signaturePart}AA`]) {
      expect(codeOf(() => DpopProof.verify(`${signingInput}.${signature}`, expected))).toBe("invalid_proof");
    }
  });

  it("refuses four parts, two parts and more than 4096 bytes", () => {
    for (const malformed of [`${jwt}.`, `${headerPart}.${payloadPart}`, `${"A".repeat(4097)}.A.A`]) {
      expect(codeOf(() => DpopProof.verify(malformed, expected))).toBe("invalid_proof");
    }
  });

  it("names the proof by what is signed, not by the signature", () => {
    const again = forge({ payload: text });
    expect(again).not.toBe(jwt);
    expect(DpopProof.proofHash(again)).toBe(DpopProof.proofHash(jwt));
  });

  it("does not create what it would not accept", () => {
    expect(codeOf(() => DpopProof.create({ ...input, jti: "x" }, holderPrivateKey))).toBe("invalid_request");
    expect(codeOf(() => DpopProof.create({ ...input, exporter: new Uint8Array(31) }, holderPrivateKey))).toBe(
      "invalid_request",
    );
  });
});

function encode(part: object | string): string {
  return Buffer.from(typeof part === "string" ? part : JSON.stringify(part)).toString("base64url");
}

/** A proof with any header and payload, properly signed by the holder. */
function forge(parts: { header?: object; payload?: object | string }): string {
  const signingInput = `${encode(parts.header ?? goodHeader)}.${encode(parts.payload ?? goodPayload)}`;
  const key = { key: holderPrivateKey, dsaEncoding: "ieee-p1363" } as const;
  return `${signingInput}.${sign("sha256", Buffer.from(signingInput), key).toString("base64url")}`;
}
