import { bls12_381 } from "@noble/curves/bls12-381.js";
import { ThresholdBls } from "@tac/protocol";
import fc from "fast-check";
import { expect, test } from "vitest";
import {
  addScalars,
  commit,
  evaluate,
  evaluateCommitments,
  fits,
  multiplyScalars,
  parseCommitments,
  randomPolynomial,
  scalarToHex,
  sumOfCommitments,
} from "./feldman.ts";

const { Fr } = bls12_381.fields;
const scalar = fc.bigInt({ min: 1n, max: Fr.ORDER - 1n });

/** The value at zero of the polynomial through these shares. */
const interpolate = (shares: ReadonlyMap<number, bigint>): bigint =>
  addScalars(
    [...shares].map(([index, share]) =>
      multiplyScalars(share, ThresholdBls.coefficientAtZero(index, [...shares.keys()])),
    ),
  );

const sizes = fc
  .tuple(fc.integer({ min: 2, max: 7 }), fc.integer({ min: 0, max: 4 }))
  .map(([threshold, more]) => ({ threshold, size: threshold + more }));

/** `count` of the indices 1 to `size`, in any order. */
const chosen = (size: number, count: number) =>
  fc.shuffledSubarray(
    Array.from({ length: size }, (_, index) => index + 1),
    { minLength: count, maxLength: count },
  );

test("property: any t' of the new shares give the group's secret, whichever t of the old ones dealt; t' - 1 do not", () => {
  fc.assert(
    fc.property(
      scalar,
      sizes.chain((old) => chosen(old.size, old.threshold).map((dealers) => ({ ...old, dealers }))),
      sizes.chain((next) => chosen(next.size, next.threshold).map((signers) => ({ ...next, signers }))),
      (secret, old, next) => {
        const before = randomPolynomial(secret, old.threshold);
        const dealt = old.dealers.map((dealer) => {
          const weight = ThresholdBls.coefficientAtZero(dealer, old.dealers);
          return randomPolynomial(multiplyScalars(evaluate(before, dealer), weight), next.threshold);
        });
        const shareOf = (index: number): bigint =>
          addScalars(dealt.map((coefficients) => evaluate(coefficients, index)));
        const shares = new Map(next.signers.map((index) => [index, shareOf(index)]));
        expect(interpolate(shares)).toBe(secret);
        shares.delete(next.signers[0] ?? 0);
        if (shares.size > 0) expect(interpolate(shares)).not.toBe(secret);
        // A new share in place of an old one does not help the holders of the old ones.
        const mixed = new Map(old.dealers.map((index) => [index, evaluate(before, index)]));
        const [first = 0] = old.dealers;
        mixed.set(first, shareOf(first));
        expect(interpolate(mixed)).not.toBe(secret);
      },
    ),
    { numRuns: 300 },
  );
});

test("property: a share fits its dealer's commitments at its own index, and nothing else does", () => {
  fc.assert(
    fc.property(
      scalar,
      fc.integer({ min: 2, max: 4 }),
      fc.integer({ min: 1, max: 255 }),
      (secret, threshold, index) => {
        const coefficients = randomPolynomial(secret, threshold);
        const points = parseCommitments(commit(coefficients));
        const share = evaluate(coefficients, index);
        expect(fits(share, points, index)).toBe(true);
        expect(fits(Fr.add(share, 1n), points, index)).toBe(false);
        expect(fits(share, points, index + 1)).toBe(false);
        expect(fits(share + Fr.ORDER, points, index)).toBe(false);
      },
    ),
    { numRuns: 8 },
  );
});

test("the public share of a sum of polynomials is that of the sum of their values", () => {
  const dealt = [3n, 5n].map((secret) => randomPolynomial(secret, 3));
  const sum = sumOfCommitments(dealt.map((coefficients) => parseCommitments(commit(coefficients))));
  const share = addScalars(dealt.map((coefficients) => evaluate(coefficients, 4)));
  expect(ThresholdBls.encodeG2(evaluateCommitments(sum, 4))).toBe(ThresholdBls.publicKey(scalarToHex(share)));
});

test("commitments that are no points of the prime-order subgroup are refused", () => {
  const [good = ""] = commit([7n]);
  expect(() => parseCommitments([good.replace(/.$/, (digit) => (digit === "0" ? "1" : "0"))])).toThrow(
    "no point",
  );
  expect(() => parseCommitments([`c0${"00".repeat(95)}`])).toThrow("no point");
});
