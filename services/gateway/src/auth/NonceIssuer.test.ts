import { describe, expect, test } from "vitest";
import { NonceIssuer } from "./NonceIssuer.ts";

describe("a DPoP nonce", () => {
  const issuer = new NonceIssuer(Buffer.alloc(32, 1));
  const nonce = issuer.issue(6_000);

  test("is good in its minute and the next", () => {
    expect([6_000, 6_059, 6_119].map((now) => issuer.isFresh(nonce, now))).toEqual([true, true, true]);
    expect([5_999, 6_120, 9_000].map((now) => issuer.isFresh(nonce, now))).toEqual([false, false, false]);
  });

  test("is good at every replica with the same secret, and at no other", () => {
    expect(new NonceIssuer(Buffer.alloc(32, 1)).isFresh(nonce, 6_000)).toBe(true);
    expect(new NonceIssuer(Buffer.alloc(32, 2)).isFresh(nonce, 6_000)).toBe(false);
  });

  test("has one spelling", () => {
    for (const spelling of ["", `${nonce}=`, `${nonce}A`, nonce.slice(1), nonce.toLowerCase()]) {
      expect(issuer.isFresh(spelling, 6_000), spelling).toBe(false);
    }
  });
});
