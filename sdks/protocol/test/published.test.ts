import { createPublicKey, verify } from "node:crypto";
import { describe, expect, it } from "vitest";
import { Wire } from "../src/index.ts";
import { decodeCbor, encodeCbor } from "../src/internal/cbor.ts";
import { sigStructure } from "../src/internal/cose.ts";
import { compressedKeyToAddress } from "../src/internal/ecdsa.ts";
import { defineStruct, domainSeparator } from "../src/internal/eip712.ts";

describe("EIP-712, the Mail example", () => {
  const privateKey = Wire.keccakHex(Buffer.from("cow"));
  const digest = "0xbe609aee343fb3c4b28e1df9e632fca64fcfaede20f02e86244efddf30957bd2";
  const signature =
    "0x4355c47d63924e8a72e509b65029052eb6c299d53a04e167c5775fd466751c9d07299936d304c153f6443dfa05f40ff007d72911b6f72307f996231605b915621c";
  const domain = { chainId: 1, verifyingContract: "0xCcCCccccCCCCcCCCCCCcCcCccCcCCCcCcccccccC" } as const;

  it("has the published domain separator", () => {
    expect(Wire.toHex(domainSeparator("Ether Mail", domain))).toBe(
      "0xf2cee375fa42b42143804025fc449deafd50cc031ca257e0b194a650a912090f",
    );
  });

  it("signs and recovers the published signature", () => {
    expect(Wire.signDigest(digest, privateKey)).toBe(signature);
    expect(Wire.recoverDigest(digest, signature)).toBe("0xcd2a3d9f938e13cd947ec05abc7fe734df8dd826");
  });

  it("frames a struct hash as the example does", () => {
    const structHash = Wire.fromHex("0xc52c0ee5d84264471806290a3f2c4cecfc5490626bf912d01f240d7a274b371e");
    const separator = domainSeparator("Ether Mail", domain);
    expect(Wire.keccakHex(Buffer.concat([Buffer.of(0x19, 0x01), separator, structHash]))).toBe(digest);
  });

  it("encodes the type of a struct in the order of its members", () => {
    const struct = defineStruct<{ to: Wire.Domain["verifyingContract"]; amount: bigint }>(
      "Pay",
      "Ether Mail",
      {
        to: "address",
        amount: "uint64",
      },
    );
    expect(struct.typeHash).toBe(Wire.keccakHex(Buffer.from("Pay(address to,uint64 amount)")));
  });
});

describe("RFC 8392 appendix A", () => {
  const claimsHex =
    "a70175636f61703a2f2f61732e6578616d706c652e636f6d02656572696b77037818636f61703a2f2f6c696768742e6578616d706c652e636f6d041a5612aeb0051a5610d9f0061a5610d9f007420b71";
  const claims = Buffer.from(claimsHex, "hex");

  it("reads the claims set of A.1 and writes it again", () => {
    const read = decodeCbor(claims);
    expect(read).toBeInstanceOf(Map);
    expect(Buffer.from(encodeCbor(read)).toString("hex")).toBe(claimsHex);
  });

  it("frames the payload as the signature of A.3 covers it", () => {
    const signature = Buffer.from(
      "5427c1ff28d23fbad1f29c4c7c6a555e601d6fa29f9179bc3d7438bacaca5acd08c8d4d4f96131680c429a01f85951ecee743a52b9b63632c57209120e1c9e30",
      "hex",
    );
    const key = createPublicKey({
      format: "jwk",
      key: {
        kty: "EC",
        crv: "P-256",
        x: base64url("143329cce7868e416927599cf65a34f3ce2ffda55a7eca69ed8919a394d42f0f"),
        y: base64url("60f7f1a780d8a783bfb7a2dd6b2796e8128dbbcef9d3d168db9529971a36e7b9"),
      },
    });
    const protectedHeader = encodeCbor(new Map([[1, -7]]));
    const signed = sigStructure(protectedHeader, claims);
    expect(verify("sha256", signed, { key, dsaEncoding: "ieee-p1363" }, signature)).toBe(true);
  });
});

it("derives the address of a compressed key", () => {
  const generator = Buffer.from("0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798", "hex");
  expect(compressedKeyToAddress(generator)).toBe("0x7e5f4552091a69125d5dfcb7b8c2659029395bdf");
});

function base64url(hex: string): string {
  return Buffer.from(hex, "hex").toString("base64url");
}
