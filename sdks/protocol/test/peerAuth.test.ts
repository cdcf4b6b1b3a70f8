import { createPublicKey, verify as verifyBytes } from "node:crypto";
import { ed25519 } from "@noble/curves/ed25519.js";
import { describe, expect, it } from "vitest";
import { PeerAuth, PrivateKey, Wire } from "../src/index.ts";
import { codeOf } from "./fixtures.ts";

const privateKey = PrivateKey.generate("Ed25519");
const publicKey = createPublicKey(privateKey);
const enrolled = PeerAuth.enrol(publicKey.export({ format: "jwk" }).x ?? "");
const request = { method: "POST", path: "/v1/oracle/receipt?lane=0", body: '{"a":1}' };
const nowMs = 1_700_000_000_000;
const headers = PeerAuth.sign({ ...request, peer: "replica-1", timestampMs: nowMs }, privateKey);
const publicKeyOf = (peer: string) => (peer === "replica-1" ? enrolled : undefined);
const good = { ...request, headers, nowMs, publicKeyOf };

describe("PeerAuth", () => {
  it("names the peer that signed", () => {
    expect(PeerAuth.verify(good)).toBe("replica-1");
    expect(PeerAuth.verify({ ...good, body: Buffer.from(request.body) })).toBe("replica-1");
    const bodiless = { method: "GET", path: "/v1/oracle/events?after=0" };
    const signed = PeerAuth.sign({ ...bodiless, peer: "replica-1", timestampMs: nowMs }, privateKey);
    expect(PeerAuth.verify({ ...bodiless, headers: signed, nowMs, publicKeyOf })).toBe("replica-1");
  });

  it.each<[string, Partial<PeerAuth.VerifyInput>]>([
    ["another method", { method: "PUT" }],
    ["another path", { path: "/v1/oracle/receipt?lane=1" }],
    ["another body", { body: '{"a":2}' }],
    ["a late request", { nowMs: nowMs + 30_001 }],
    ["an early request", { nowMs: nowMs - 30_001 }],
    ["a stranger", { publicKeyOf: () => undefined }],
    ["another peer", { headers: { ...headers, "x-peer": "replica-2" } }],
    ["no headers", { headers: {} }],
    ["a repeated header", { headers: { ...headers, "x-peer": ["replica-1", "replica-1"] } }],
    ["a moved timestamp", { headers: { ...headers, "x-peer-timestamp": `${nowMs + 1}` } }],
    ["a timestamp with a leading zero", { headers: { ...headers, "x-peer-timestamp": `0${nowMs}` } }],
    ["a fractional timestamp", { headers: { ...headers, "x-peer-timestamp": `${nowMs}.0` } }],
    [
      "a padded signature",
      { headers: { ...headers, "x-peer-signature": `${headers["x-peer-signature"]}==` } },
    ],
    ["an empty signature", { headers: { ...headers, "x-peer-signature": "" } }],
  ])("refuses %s", (_name, change) => {
    expect(codeOf(() => PeerAuth.verify({ ...good, ...change }))).toBe("invalid_signature");
  });

  it("accepts skew up to thirty seconds", () => {
    expect(PeerAuth.verify({ ...good, nowMs: nowMs + 30_000 })).toBe("replica-1");
  });
});

describe("enrolment", () => {
  /** Encodings of the points of order 1, 2, 4 and 8, non-canonical ones included. */
  const smallOrder = [
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "0100000000000000000000000000000000000000000000000000000000000080",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  ];

  it.each(smallOrder)("refuses the small-order key %s", (key) => {
    expect(codeOf(() => PeerAuth.enrol(Buffer.from(key, "hex").toString("base64url")))).toBe(
      "invalid_request",
    );
  });

  it("would otherwise accept one signature for any request", () => {
    const x = Buffer.from(smallOrder[0] ?? "", "hex").toString("base64url");
    const weak = createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x }, format: "jwk" });
    const signature = Buffer.concat([Buffer.from(smallOrder[0] ?? "", "hex"), Buffer.alloc(32)]);
    expect(verifyBytes(null, Buffer.from("any request"), weak, signature)).toBe(true);
    expect(verifyBytes(null, Buffer.from("any other"), weak, signature)).toBe(true);
  });

  it("refuses a point with a torsion component, bytes off the curve, and other lengths", () => {
    const torsion = ed25519.Point.fromHex(smallOrder[4] ?? "");
    const mixedOrder = ed25519.Point.BASE.add(torsion);
    expect(mixedOrder.isSmallOrder()).toBe(false);
    const malformed = [
      new Uint8Array(32).fill(2),
      new Uint8Array(31),
      new Uint8Array(33),
      mixedOrder.toBytes(),
    ].map(Wire.toBase64url);
    for (const key of [...malformed, "", `${publicKey.export({ format: "jwk" }).x}=`]) {
      expect(codeOf(() => PeerAuth.enrol(key))).toBe("invalid_request");
    }
  });
});
