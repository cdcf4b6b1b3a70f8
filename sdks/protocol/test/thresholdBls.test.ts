import { bls12_381 } from "@noble/curves/bls12-381.js";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Hex, ThresholdBls, Wire } from "../src/index.ts";
import { codeOf, repeated } from "./fixtures.ts";

const { G1, G2, fields } = bls12_381;
const ORDER = fields.Fr.ORDER;
const message = repeated("5a");

/** A secret shared 3 of 4 by a polynomial of degree two; replica i holds its value at i. */
const coefficients = [11n ** 60n % ORDER, 13n ** 60n % ORDER, 17n ** 60n % ORDER];
const secret = scalar(coefficients[0] ?? 0n);
const shares = [1, 2, 3, 4].map((index) => ({ index, scalar: scalar(evaluate(BigInt(index))) }));
const groupPublicKey = ThresholdBls.publicKey(secret);
const partials = shares.map((share) => ({
  index: share.index,
  signature: ThresholdBls.partialSign(message, share.scalar),
}));

describe("threshold signatures", () => {
  it("combine from any three of four shares into the one signature of the group", () => {
    const whole = ThresholdBls.partialSign(message, secret);
    for (const absent of [1, 2, 3, 4]) {
      const combined = ThresholdBls.combine(partials.filter(({ index }) => index !== absent));
      expect(combined).toBe(whole);
    }
    expect(ThresholdBls.combine([...partials].reverse())).toBe(whole);
    expect(ThresholdBls.verify(message, whole, groupPublicKey)).toBe(true);
  });

  it("do not combine from two shares, nor with a wrong one", () => {
    const [first, second, third] = partials;
    if (!first || !second || !third) throw new Error("three shares are needed");
    expect(ThresholdBls.verify(message, ThresholdBls.combine([first, second]), groupPublicKey)).toBe(false);
    const swapped = [first, { ...second, index: 3 }, { ...third, index: 2 }];
    expect(ThresholdBls.verify(message, ThresholdBls.combine(swapped), groupPublicKey)).toBe(false);
  });

  it("name shares whose keys interpolate to the group's, from any three of four and from all", () => {
    const keys = shares.map(({ index, scalar: own }) => ({ index, publicKey: ThresholdBls.publicKey(own) }));
    for (const absent of [0, 1, 2, 3, 4]) {
      const present = keys.filter(({ index }) => index !== absent);
      expect(ThresholdBls.combinePublicKeys(present)).toBe(groupPublicKey);
    }
    expect(ThresholdBls.combinePublicKeys(keys.slice(0, 2))).not.toBe(groupPublicKey);
    expect(codeOf(() => ThresholdBls.combinePublicKeys([]))).toBe("invalid_request");
  });

  it("are checked share by share", () => {
    const [first, second] = shares;
    const signature = partials[0]?.signature ?? "0x";
    const publicShare = (share = first) => ThresholdBls.publicKey(share?.scalar ?? "0x");
    expect(ThresholdBls.verifyPartial(message, signature, publicShare())).toBe(true);
    expect(ThresholdBls.verifyPartial(message, signature, publicShare(second))).toBe(false);
    expect(ThresholdBls.verifyPartial(repeated("5b"), signature, publicShare())).toBe(false);
  });

  it.each<[string, number[]]>([
    ["no share", []],
    ["a repeated index", [1, 1, 2]],
    ["index zero, which is the secret itself", [0, 1, 2]],
    ["a negative index", [-1, 1, 2]],
    ["a fractional index", [1.5, 1, 2]],
  ])("refuse %s", (_name, indices) => {
    const signature = partials[0]?.signature ?? "0x";
    expect(codeOf(() => ThresholdBls.combine(indices.map((index) => ({ index, signature }))))).toBe(
      "invalid_request",
    );
  });

  it("separate possession proofs from signatures", () => {
    const possession = ThresholdBls.possessionMessage(groupPublicKey);
    const proof = ThresholdBls.partialSign(possession, secret, ThresholdBls.POSSESSION_DST);
    expect(ThresholdBls.verify(possession, proof, groupPublicKey, ThresholdBls.POSSESSION_DST)).toBe(true);
    expect(ThresholdBls.verify(possession, proof, groupPublicKey)).toBe(false);
  });

  it.each(["00".repeat(32), ORDER.toString(16), "ff".repeat(32)])("refuse the secret 0x%s", (digits) => {
    expect(() => ThresholdBls.partialSign(message, `0x${digits}`)).toThrow(RangeError);
    expect(() => ThresholdBls.publicKey(`0x${digits}`)).toThrow(RangeError);
  });
});

describe("hash to G1, RFC 9380 appendix J.9.1", () => {
  const dst = "QUUX-V01-CS02-with-BLS12381G1_XMD:SHA-256_SSWU_RO_";
  it.each([
    [
      "",
      "052926add2207b76ca4fa57a8734416c8dc95e24501772c814278700eed6d1e4e8cf62d9c09db0fac349612b759e79a1",
      "08ba738453bfed09cb546dbb0783dbb3a5f1f566ed67bb6be0e8c67e2e81a4cc68ee29813bb7994998f3eae0c9c6a265",
    ],
    [
      "abc",
      "03567bc5ef9c690c2ab2ecdf6a96ef1c139cc0b2f284dca0a9a7943388a49a3aee664ba5379a7655d3c68900be2f6903",
      "0b9c15f3fe6e5cf4211f346271d7b01c8f3b28be689c8429c85b67af215533311f0b8dfaaa154fa6b88176c229f2885d",
    ],
  ])("of %j", (text, x, y) => {
    const point = bls12_381.shortSignatures.hash(Buffer.from(text), dst);
    expect(ThresholdBls.encodeG1(point)).toBe(`0x${pad(x)}${pad(y)}`);
  });

  it("takes 32 bytes only, and gives different points under different tags", () => {
    expect(() => ThresholdBls.hashToPoint("0x5a")).toThrow(TypeError);
    const possession = ThresholdBls.hashToPoint(message, ThresholdBls.POSSESSION_DST);
    expect(ThresholdBls.hashToPoint(message)).not.toBe(possession);
  });
});

describe("encoding of EIP-2537", () => {
  it("reads back what it writes", () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 1n, max: ORDER - 1n }), (factor) => {
        const signature = G1.Point.BASE.multiplyUnsafe(factor);
        const key = G2.Point.BASE.multiplyUnsafe(factor);
        expect(ThresholdBls.decodeG1(ThresholdBls.encodeG1(signature)).equals(signature)).toBe(true);
        expect(ThresholdBls.decodeG2(ThresholdBls.encodeG2(key)).equals(key)).toBe(true);
      }),
      { numRuns: 5 },
    );
  });

  it("writes the generators as EIP-2537 prints them", () => {
    const [x, y] = [
      "17f1d3a73197d7942695638c4fa9ac0fc3688c4f9774b905a14e3a3f171bac586c55e83ff97a1aeffb3af00adb22c6bb",
      "08b3f481e3aaa0f1a09e30ed741d8ae4fcf5e095d5d00af600db18cb2c04b3edd03cc744a2888ae40caa232946c5e7e1",
    ];
    const key = [
      "024aa2b2f08f0a91260805272dc51051c6e47ad4fa403b02b4510b647ae3d1770bac0326a805bbefd48056c8c121bdb8",
      "13e02b6052719f607dacd3a088274f65596bd0d09920b61ab5da61bbdc7f5049334cf11213945d57e5ac7d055d042b7e",
      "0ce5d527727d6e118cc9cdc6da2e351aadfd9baa8cbdd3a76d429a695160d12c923ac9cc3baca289e193548608b82801",
      "0606c4a02ea734cc32acd2b02bc28b99cb3e287e85a763af267492ab572e99ab3f370d275cec1da1aaa9075ff05f79be",
    ];
    expect(ThresholdBls.encodeG1(G1.Point.BASE)).toBe(`0x${pad(x)}${pad(y)}`);
    expect(ThresholdBls.encodeG2(G2.Point.BASE)).toBe(`0x${key.map(pad).join("")}`);
  });

  const good = ThresholdBls.encodeG1(G1.Point.BASE);
  const goodKey = ThresholdBls.encodeG2(G2.Point.BASE);
  it.each<[string, Hex]>([
    ["infinity", `0x${"00".repeat(128)}`],
    ["a point off the curve", `0x${good.slice(2, -2)}00`],
    ["a point of the curve outside the subgroup", offSubgroupG1()],
    ["a coordinate that is the modulus", `0x${pad(fields.Fp.ORDER.toString(16))}${good.slice(130)}`],
    ["a coordinate plus the modulus", unreduced(good)],
    ["padding that is not zero", `0x01${good.slice(4)}`],
    ["127 bytes", `0x${good.slice(4)}`],
    ["129 bytes", `${good}00`],
    ["a G2 point", goodKey],
    ["capital letters", `0x${good.slice(2).toUpperCase()}`],
    ["not hex", `0x${"zz".repeat(128)}`],
  ])("refuses %s as a signature", (_name, encoded) => {
    expect(codeOf(() => ThresholdBls.decodeG1(encoded))).toBe("invalid_signature");
    expect(ThresholdBls.verify(message, encoded, groupPublicKey)).toBe(false);
  });

  it.each<[string, Hex]>([
    ["infinity", `0x${"00".repeat(256)}`],
    ["a point off the curve", `0x${goodKey.slice(2, -2)}00`],
    ["a point of the curve outside the subgroup", offSubgroupG2()],
    ["swapped halves of the field", swappedHalves(goodKey)],
    ["a coordinate plus the modulus", unreduced(goodKey)],
    ["255 bytes", `0x${goodKey.slice(4)}`],
    ["a G1 point", good],
  ])("refuses %s as a key", (_name, encoded) => {
    expect(codeOf(() => ThresholdBls.decodeG2(encoded))).toBe("invalid_signature");
    expect(ThresholdBls.verify(message, partials[0]?.signature ?? "0x", encoded)).toBe(false);
  });

  it("refuses a malformed share when combining", () => {
    const shares = [{ index: 1, signature: offSubgroupG1() }];
    expect(codeOf(() => ThresholdBls.combine(shares))).toBe("invalid_signature");
  });
});

function evaluate(x: bigint): bigint {
  return coefficients.reduce(
    (sum, coefficient, power) => (sum + coefficient * x ** BigInt(power)) % ORDER,
    0n,
  );
}

function scalar(value: bigint): Hex {
  return Wire.toHex(Buffer.from(value.toString(16).padStart(64, "0"), "hex"));
}

function pad(coordinate: string | undefined): string {
  return (coordinate ?? "").padStart(128, "0");
}

function unreduced(encoded: Hex): Hex {
  const first = BigInt(`0x${encoded.slice(2, 130)}`) + fields.Fp.ORDER;
  return `0x${pad(first.toString(16))}${encoded.slice(130)}`;
}

function swappedHalves(encoded: Hex): Hex {
  const part = (index: number) => encoded.slice(2 + 128 * index, 2 + 128 * (index + 1));
  return `0x${part(1)}${part(0)}${part(3)}${part(2)}`;
}

/** The first points of the curves, counted by x, whose order is not the prime one. */
function offSubgroupG1(): Hex {
  const { Fp } = fields;
  for (let x = 1n; ; x++) {
    const square = Fp.add(Fp.pow(x, 3n), 4n);
    if (Fp.pow(square, (Fp.ORDER - 1n) / 2n) !== 1n) continue;
    const point = G1.Point.fromAffine({ x, y: Fp.sqrt(square) });
    if (!point.isTorsionFree()) return ThresholdBls.encodeG1(point);
  }
}

function offSubgroupG2(): Hex {
  const { Fp2 } = fields;
  const b = Fp2.fromBigTuple([4n, 4n]);
  for (let c0 = 1n; ; c0++) {
    const x = Fp2.fromBigTuple([c0, 0n]);
    const square = Fp2.add(Fp2.mul(Fp2.sqr(x), x), b);
    if (!Fp2.eql(Fp2.pow(square, (Fp2.ORDER - 1n) / 2n), Fp2.ONE)) continue;
    const point = G2.Point.fromAffine({ x, y: Fp2.sqrt(square) });
    if (!point.isTorsionFree()) return ThresholdBls.encodeG2(point);
  }
}
