import { createFROST } from "@noble/curves/abstract/frost.js";
import { bls12_381 } from "@noble/curves/bls12-381.js";
import { sha256 } from "@noble/hashes/sha2.js";

/** Distributed key generation in the group of public keys (G2), so that shares sign BLS with signatures on G1. */
export const suite = createFROST({
  name: "TAC-BLS12381G2-SHA256-v1",
  Point: bls12_381.G2.Point,
  hash: sha256,
});

/** The FROST identifier of a replica is its 1-based index, which is also its x-coordinate in `ThresholdBls.combine`. */
export const identifierOf = (replica: number): string => suite.Identifier.fromNumber(replica);
