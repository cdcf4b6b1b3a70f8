import { randomBytes } from "node:crypto";
import { bls12_381 } from "@noble/curves/bls12-381.js";
import { DkgError } from "./DkgError.ts";

/** Verifiable secret sharing (Feldman 1987) over the scalars of BLS12-381, with commitments on G2. */
const { Point } = bls12_381.G2;
const { Fr } = bls12_381.fields;
export type G2Point = ReturnType<typeof Point.fromBytes>;

/** A uniform scalar that is not zero: 48 random bytes leave a bias below 2^-128. */
const randomScalar = (): bigint => {
  for (;;) {
    const scalar = Fr.create(BigInt(`0x${randomBytes(48).toString("hex")}`));
    if (scalar !== 0n) return scalar;
  }
};

/** Coefficients, constant term first, of a random polynomial that any `threshold` of its values determine. */
export const randomPolynomial = (secret: bigint, threshold: number): bigint[] => [
  Fr.create(secret),
  ...Array.from({ length: threshold - 1 }, randomScalar),
];

/** The polynomial's value at a replica's index. */
export const evaluate = (coefficients: readonly bigint[], index: number): bigint =>
  coefficients.reduceRight((sum, coefficient) => Fr.add(Fr.mul(sum, BigInt(index)), coefficient), Fr.ZERO);

/** Compressed commitments (hex) to the coefficients. */
export const commit = (coefficients: readonly bigint[]): string[] =>
  coefficients.map((coefficient) => Point.BASE.multiply(coefficient).toHex());

/** Parses commitments. Errors: DkgError for anything but points of the prime-order subgroup. */
export const parseCommitments = (commitments: readonly string[]): G2Point[] =>
  commitments.map((text) => {
    try {
      const point = Point.fromHex(text);
      point.assertValidity();
      if (point.is0()) throw new RangeError("a commitment to zero");
      return point;
    } catch (cause) {
      throw new DkgError("a commitment is no point of the group", { cause });
    }
  });

/** The public value of the committed polynomial at an index. */
export const evaluateCommitments = (points: readonly G2Point[], index: number): G2Point =>
  points.reduceRight<G2Point>(
    (sum, point) => (sum.is0() ? sum : sum.multiplyUnsafe(BigInt(index))).add(point),
    Point.ZERO,
  );

/** Whether a share is the value at `index` of the polynomial behind the commitments. */
export const fits = (share: bigint, points: readonly G2Point[], index: number): boolean =>
  share > 0n && share < Fr.ORDER && Point.BASE.multiply(share).equals(evaluateCommitments(points, index));

/** Commitments to the sum of several polynomials of one degree. */
export const sumOfCommitments = (all: readonly (readonly G2Point[])[]): G2Point[] => {
  const [first = []] = all;
  return first.map((_, power) =>
    all.reduce<G2Point>((sum, points) => sum.add(points[power] ?? Point.ZERO), Point.ZERO),
  );
};

export const addScalars = (scalars: readonly bigint[]): bigint =>
  scalars.reduce((sum, scalar) => Fr.add(sum, scalar), Fr.ZERO);

export const multiplyScalars = (left: bigint, right: bigint): bigint => Fr.mul(left, right);

/** 32 bytes, big-endian, in hex with its prefix. */
export const scalarToHex = (scalar: bigint): `0x${string}` => `0x${scalar.toString(16).padStart(64, "0")}`;
