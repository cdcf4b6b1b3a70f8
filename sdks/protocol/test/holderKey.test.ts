import { createPublicKey } from "node:crypto";
import { p256 } from "@noble/curves/nist.js";
import { describe, expect, it } from "vitest";
import { HolderKey, Wire } from "../src/index.ts";
import { codeOf, holder, holderJwk, holderPrivateKey } from "./fixtures.ts";

describe("HolderKey", () => {
  it("has the RFC 7638 thumbprint that RFC 9449 section 6.1 publishes for its key", () => {
    const jwk = HolderKey.parse({
      kty: "EC",
      crv: "P-256",
      x: "l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs",
      y: "9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA",
    });
    expect(Wire.toBase64url(Wire.fromHex(HolderKey.thumbprint(jwk)))).toBe(
      "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I",
    );
  });

  it("makes keys that it accepts itself", () => {
    const { privateKey, jwk } = HolderKey.generate();
    expect(HolderKey.parse(jwk)).toEqual(jwk);
    expect(HolderKey.publicJwk(privateKey)).toBe(HolderKey.publicJwk(privateKey));
    expect(HolderKey.publicJwk(createPublicKey(privateKey))).toEqual(jwk);
    expect(HolderKey.thumbprint(jwk)).not.toBe(holder);
    expect(HolderKey.toPublicKey(jwk)).toBe(HolderKey.toPublicKey({ ...jwk }));
  });

  const { x, y } = holderJwk;
  it.each<[string, unknown]>([
    ["a private key", holderPrivateKey.export({ format: "jwk" })],
    ["an unknown member", { ...holderJwk, kid: "a" }],
    ["a missing coordinate", { kty: "EC", crv: "P-256", x }],
    ["another curve", { ...holderJwk, crv: "P-384" }],
    ["secp256k1", { ...holderJwk, crv: "secp256k1" }],
    ["an octet key", { kty: "oct", k: x }],
    ["an Edwards key", { kty: "OKP", crv: "Ed25519", x }],
    ["a point off the curve", { ...holderJwk, y: x }],
    ["the twisted point (x, 0)", { ...holderJwk, y: "A".repeat(43) }],
    ["the origin", { ...holderJwk, x: "A".repeat(43), y: "A".repeat(43) }],
    ["a coordinate plus the modulus", unreduced()],
    ["a coordinate above the field", { ...holderJwk, x: Wire.toBase64url(new Uint8Array(32).fill(255)) }],
    ["padding", { ...holderJwk, x: `${x}=` }],
    ["plain base64", { ...holderJwk, y: y.replaceAll("-", "+").replaceAll("_", "/").padEnd(44, "=") }],
    ["stray bits in the last character", { ...holderJwk, x: `${x.slice(0, -1)}5` }],
    ["a leading zero byte", { ...holderJwk, x: Wire.toBase64url(new Uint8Array(33)) }],
    ["a blank", { ...holderJwk, x: ` ${x}` }],
    ["null", null],
    ["a string", JSON.stringify(holderJwk)],
  ])("refuses %s", (_name, jwk) => {
    expect(codeOf(() => HolderKey.parse(jwk))).toBe("invalid_proof");
    expect(codeOf(() => HolderKey.parse(jwk, "invalid_request"))).toBe("invalid_request");
  });
});

/** A point of the curve with a small x, to which the modulus is added: the same point in another spelling. */
function unreduced(): HolderKey.Jwk {
  const { Fp } = p256.Point;
  for (let x = 0n; ; x++) {
    const square = Fp.add(Fp.sub(Fp.pow(x, 3n), Fp.mul(x, 3n)), p256.Point.CURVE().b);
    if (Fp.pow(square, (Fp.ORDER - 1n) / 2n) !== 1n) continue;
    const encode = (value: bigint) =>
      Wire.toBase64url(Buffer.from(value.toString(16).padStart(64, "0"), "hex"));
    const y = encode(Fp.sqrt(square));
    expect(HolderKey.parse({ kty: "EC", crv: "P-256", x: encode(x), y })).toBeDefined();
    return { kty: "EC", crv: "P-256", x: encode(x + Fp.ORDER), y };
  }
}
