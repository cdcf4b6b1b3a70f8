import { sign } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DpopProof, ProtocolError, UsageAuth, UsageReport, Wire } from "../src/index.ts";
import { parseJson } from "../src/internal/json.ts";
import * as arbitraries from "./arbitraries.ts";
import {
  claims,
  codeOf,
  domain,
  gatewayKey,
  holder,
  holderJwk,
  holderPrivateKey,
  nowSeconds,
  providerKey,
} from "./fixtures.ts";

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const bytes32 = fc.uint8Array({ minLength: 32, maxLength: 32 });
const printable = (minLength: number, maxLength: number) =>
  fc
    .array(fc.integer({ min: 0x21, max: 0x7e }), { minLength, maxLength })
    .map((codes) => String.fromCharCode(...codes));

/** Every optional claim may be there or not. */
const proofInput: fc.Arbitrary<DpopProof.CreateInput> = fc.record(
  {
    method: fc.constantFrom("GET", "POST", "PUT", "DELETE", "PATCH"),
    url: fc.webUrl({ withQueryParameters: true, withFragments: true }).filter((url) => url.length < 500),
    nowSeconds: fc.nat({ max: 4_000_000_000 }),
    jti: printable(16, 128),
    nonce: printable(1, 256),
    usageAuth: fc.string({ minLength: 1 }),
    exporter: bytes32,
    body: fc.oneof(fc.string(), fc.uint8Array()),
    maxCostNano: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
    idempotencyKey: printable(1, 128),
  },
  { requiredKeys: ["method", "url", "nowSeconds"] },
);

/** What decodes to the same bytes elsewhere, and must be no second spelling of a token here. */
function respellings(part: string): string[] {
  const lastValue = ALPHABET.indexOf(part.at(-1) ?? "");
  const unusedBits = part.length % 4 === 2 ? 4 : part.length % 4 === 3 ? 2 : 0;
  const strayBits = Array.from({ length: 2 ** unusedBits - 1 }, (_, index) => {
    const stray = (lastValue & ~(2 ** unusedBits - 1)) | ((lastValue + 1 + index) % 2 ** unusedBits);
    return `${part.slice(0, -1)}${ALPHABET[stray]}`;
  });
  const standard = part.replaceAll("-", "+").replaceAll("_", "/");
  return [
    ...strayBits,
    ...(standard === part ? [] : [standard]),
    `${part}=`,
    `${part}==`,
    `${part} `,
    `${part}\n`,
    `\t${part}`,
    `${part.slice(0, 5)}\r\n${part.slice(5)}`,
    `${part.slice(0, 5)}.${part.slice(5)}`,
    `${part}%3D`,
  ];
}

const sameBytes = (left: string, right: string) =>
  Buffer.from(left, "base64url").equals(Buffer.from(right, "base64url"));

describe("a DPoP proof as text", () => {
  it("says what it was made to say", () => {
    fc.assert(
      fc.property(proofInput, (input) => {
        const { claims: said, holder: by } = DpopProof.parse(DpopProof.create(input, holderPrivateKey));
        const { origin, pathname } = new URL(input.url);
        expect(by).toBe(holder);
        expect(said).toEqual({
          jti: input.jti ?? said.jti,
          htm: input.method,
          htu: `${origin}${pathname}`,
          iat: input.nowSeconds,
          ...(input.nonce === undefined ? {} : { nonce: input.nonce }),
          ...(input.usageAuth === undefined ? {} : { ath: UsageAuth.hash(input.usageAuth) }),
          ...(input.exporter === undefined ? {} : { ekm: Wire.toBase64url(input.exporter) }),
          ...(input.body === undefined ? {} : { bodyHash: DpopProof.bodyHash(input.body) }),
          ...(input.maxCostNano === undefined ? {} : { maxCostNano: input.maxCostNano }),
          ...(input.idempotencyKey === undefined
            ? {}
            : { ikh: DpopProof.idempotencyKeyHash(input.idempotencyKey) }),
        });
      }),
      { numRuns: 150 },
    );
  });

  it("has one spelling: padding, stray bits, other alphabets and blanks are refused in each part", () => {
    fc.assert(
      fc.property(proofInput, (input) => {
        const parts = DpopProof.create(input, holderPrivateKey).split(".");
        parts.forEach((part, index) => {
          for (const respelt of respellings(part)) {
            const text = parts.map((own, at) => (at === index ? respelt : own)).join(".");
            expect(codeOf(() => DpopProof.parse(text))).toBe("invalid_proof");
          }
        });
      }),
      { numRuns: 25 },
    );
  });

  it.each<[string, string]>([
    ["nested as deep as its size allows", `{"jti":${"[".repeat(1400)}${"]".repeat(1400)}}`],
    ["with a __proto__ member", '{"__proto__":{"htm":"GET"}}'],
    ["with a constructor member", '{"constructor":{"prototype":{}}}'],
    ["that is a list", "[]"],
    ["that is null", "null"],
    ["that is a number", "1e999"],
  ])("%s is refused", (_name, payload) => {
    const encode = (text: string) => Buffer.from(text).toString("base64url");
    const header = encode(JSON.stringify({ typ: "dpop+jwt", alg: "ES256", jwk: holderJwk }));
    const signingInput = `${header}.${encode(payload)}`;
    const key = { key: holderPrivateKey, dsaEncoding: "ieee-p1363" } as const;
    const jwt = `${signingInput}.${sign("sha256", Buffer.from(signingInput), key).toString("base64url")}`;
    expect(codeOf(() => DpopProof.parse(jwt))).toBe("invalid_proof");
    expect(Object.hasOwn(Object.prototype, "htm")).toBe(false);
  });
});

describe("a Usage-Auth token as text", () => {
  const token = UsageAuth.issue(claims, gatewayKey);
  const context = { nowSeconds, isGateway: () => true };

  it("has one spelling", () => {
    for (const respelt of respellings(token)) {
      expect(codeOf(() => UsageAuth.verify(respelt, context))).toBe("invalid_usage_auth");
    }
  });

  it("loses its meaning with any byte changed, added or taken away", () => {
    const whole = Buffer.from(token, "base64url");
    fc.assert(
      fc.property(
        fc.nat({ max: whole.length - 1 }),
        fc.integer({ min: 1, max: 255 }),
        fc.constantFrom("change", "insert", "remove"),
        (at, byte, how) => {
          const head = whole.subarray(0, at);
          const changed = Buffer.of((whole[at] ?? 0) ^ byte);
          const tail = whole.subarray(how === "insert" ? at : at + 1);
          const altered = Buffer.concat([head, ...(how === "remove" ? [] : [changed]), tail]);
          expect(() => UsageAuth.verify(altered.toString("base64url"), context)).toThrow(ProtocolError);
        },
      ),
      { numRuns: 300 },
    );
  });
});

describe("a usage report as a header", () => {
  const [report] = fc.sample(arbitraries.report, { numRuns: 1, seed: 11 });
  if (report === undefined) throw new Error("no sample");
  const header = UsageReport.toHeader(UsageReport.sign(report, domain, providerKey));

  it("reads back whatever was signed", () => {
    fc.assert(
      fc.property(arbitraries.report, (value) => {
        const signed = UsageReport.sign(value, domain, providerKey);
        expect(UsageReport.fromHeader(UsageReport.toHeader(signed))).toEqual(signed);
      }),
      { numRuns: 40 },
    );
  });

  it("has one spelling", () => {
    for (const respelt of respellings(header)) {
      expect(codeOf(() => UsageReport.fromHeader(respelt))).toBe("invalid_signature");
    }
  });
});

it("text that is too long is refused before it is decoded", () => {
  const long = "A".repeat(64 * 1024 * 1024);
  const startedAt = process.memoryUsage().arrayBuffers;
  expect(codeOf(() => DpopProof.parse(`${long}.A.A`))).toBe("invalid_proof");
  expect(codeOf(() => UsageAuth.verify(long, { nowSeconds, isGateway: () => true }))).toBe(
    "invalid_usage_auth",
  );
  expect(codeOf(() => UsageReport.fromHeader(long))).toBe("invalid_signature");
  // Decoding any of them would have taken 48 MiB.
  expect(process.memoryUsage().arrayBuffers - startedAt).toBeLessThan(16 * 1024 * 1024);
});

describe("JSON from a stranger", () => {
  it("is read only as JSON.stringify would have written it", () => {
    fc.assert(
      fc.property(fc.json(), fc.constantFrom(" ", "\n", "\t", "\u00a0", "\ufeff"), (text, blank) => {
        const compact = JSON.stringify(JSON.parse(text));
        expect(parseJson(Buffer.from(compact))).toEqual(JSON.parse(compact));
        expect(parseJson(Buffer.from(`${compact}${blank}`))).toBeUndefined();
        expect(parseJson(Buffer.from(`${blank}${compact}`))).toBeUndefined();
      }),
    );
  });

  it("never has two members of one name, nor other spellings of a number or a string", () => {
    for (const text of ['{"a":1,"a":1}', '{"a":1.0}', '{"a":1e0}', '{"a":-0}', '{"a":"\\u0061"}', '"\\/"'])
      expect(parseJson(Buffer.from(text))).toBeUndefined();
    expect(sameBytes("QQ", "QR")).toBe(true);
  });
});
