import { secp256k1 } from "@noble/curves/secp256k1.js";
import fc from "fast-check";
import { recoverAddress } from "viem";
import { privateKeyToAccount, sign } from "viem/accounts";
import { describe, expect, it } from "vitest";
import { type Hex, Wire } from "../src/index.ts";
import { verifyCompact } from "../src/internal/ecdsa.ts";
import { native, noble } from "../src/internal/secp256k1.ts";
import { bytes32 } from "./arbitraries.ts";
import { gateway, gatewayKey, repeated } from "./fixtures.ts";

const digest = repeated("d1");
const signature = Wire.signDigest(digest, gatewayKey);
const ORDER = secp256k1.Point.Fn.ORDER;

describe("65-byte signatures", () => {
  it("equal viem's, and recover to the lowercase address", async () => {
    expect(signature).toBe(await sign({ hash: digest, privateKey: gatewayKey, to: "hex" }));
    expect(gateway).toBe(privateKeyToAccount(gatewayKey).address.toLowerCase());
    expect(Wire.recoverDigest(digest, signature)).toBe(gateway);
  });

  it("refuse the twin with a high s, which viem accepts", async () => {
    const twin = malleate(signature);
    expect((await recoverAddress({ hash: digest, signature: twin })).toLowerCase()).toBe(gateway);
    expect(Wire.recoverDigest(digest, twin)).toBeNull();
  });

  it.each(["00", "01", "02", "1a", "1d", "ff"])("refuse v = 0x%s", (v) => {
    expect(Wire.recoverDigest(digest, `0x${signature.slice(2, 130)}${v}`)).toBeNull();
  });

  it.each<[string, Hex]>([
    ["64 bytes (EIP-2098)", `0x${signature.slice(2, 130)}`],
    ["66 bytes", `${signature}00`],
    ["zero r and s", `0x${"00".repeat(64)}1b`],
    ["r above the order", `0x${"ff".repeat(32)}${signature.slice(66)}`],
    ["not hex", `0x${"zz".repeat(65)}`],
    ["empty", "0x"],
  ])("refuse %s", (_name, malformed) => {
    expect(Wire.recoverDigest(digest, malformed)).toBeNull();
  });

  it("recover to somebody else for another digest", () => {
    expect(Wire.recoverDigest(repeated("d2"), signature)).not.toBe(gateway);
  });
});

describe("libsecp256k1 and noble", () => {
  it.runIf(native !== null)("sign, verify and recover alike", () => {
    if (native === null) return;
    const library = native;
    fc.assert(
      fc.property(bytes32, (hash) => {
        const bytes = Wire.fromHex(hash);
        const key = Wire.fromHex(gatewayKey);
        const signed = library.sign(bytes, key);
        const other = noble.sign(bytes, key);
        expect(Wire.toHex(signed.signature)).toBe(Wire.toHex(other.signature));
        expect(signed.recovery).toBe(other.recovery);
        const publicKey = secp256k1.getPublicKey(key, true);
        for (const implementation of [library, noble]) {
          expect(Wire.toHex(implementation.publicKey(key, true))).toBe(Wire.toHex(publicKey));
          const recovered = implementation.recover(signed.signature, signed.recovery, bytes);
          expect(Wire.toHex(recovered)).toBe(Wire.toHex(secp256k1.getPublicKey(key, false)));
          expect(implementation.verify(signed.signature, bytes, publicKey)).toBe(true);
          expect(implementation.verify(signed.signature, Wire.fromHex(repeated("d2")), publicKey)).toBe(
            false,
          );
        }
      }),
      { numRuns: 20 },
    );
  });

  it("refuse a high s", () => {
    const publicKey = secp256k1.getPublicKey(Wire.fromHex(gatewayKey), true);
    const twin = Wire.fromHex(malleate(signature)).subarray(0, 64);
    for (const implementation of [native ?? noble, noble]) {
      expect(implementation.verify(twin, Wire.fromHex(digest), publicKey)).toBe(false);
    }
  });

  it("refuse a high s in the compact form too", () => {
    const publicKey = secp256k1.getPublicKey(Wire.fromHex(gatewayKey), true);
    const compact = (text: Hex) => Wire.fromHex(text).subarray(0, 64);
    expect(verifyCompact(Wire.fromHex(digest), compact(signature), publicKey)).toBe(true);
    expect(verifyCompact(Wire.fromHex(digest), compact(malleate(signature)), publicKey)).toBe(false);
    expect(verifyCompact(Wire.fromHex(digest), compact(signature), new Uint8Array(33))).toBe(false);
  });
});

function malleate(original: Hex): Hex {
  const s = ORDER - BigInt(`0x${original.slice(66, 130)}`);
  const v = original.endsWith("1b") ? "1c" : "1b";
  return `0x${original.slice(2, 66)}${s.toString(16).padStart(64, "0")}${v}`;
}
