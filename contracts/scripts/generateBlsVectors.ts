// Run with `node --import tsx scripts/generateBlsVectors.ts`; the output is deterministic, so a diff is a finding.
import { writeFileSync } from "node:fs";
import { batchVector } from "./batchVector.ts";
import {
  fromHex,
  groupKey,
  hex,
  keccakText,
  POSSESSION_DST,
  provePossession,
  publicKeyOf,
  SIGNATURE_DST,
  thresholdSign,
} from "./blsVectors.ts";

const OUTPUT = new URL("../test/vectors/bls.json", import.meta.url);
const SIGNERS = [1n, 2n, 4n];

const first = groupKey("first group", 3);
const second = groupKey("second group", 3);
const batch = batchVector();
const messages = ["a digest", "another digest"].map(keccakText);

const keyVector = (key: typeof first) => ({
  publicKey: hex(publicKeyOf(key)),
  possessionProof: hex(provePossession(key, SIGNERS)),
});

const vectors = {
  signatureDst: SIGNATURE_DST,
  possessionDst: POSSESSION_DST,
  first: keyVector(first),
  second: keyVector(second),
  signatures: messages.map((message) => ({
    message,
    signature: hex(thresholdSign(first, SIGNERS, fromHex(message))),
  })),
  batch: { ...batch, signature: hex(thresholdSign(first, SIGNERS, fromHex(batch.digest))) },
};

const decimal = (_: string, value: unknown): unknown =>
  typeof value === "bigint" ? value.toString() : value;
// The formatter keeps an array of one hash on one line; so does this, that both leave the file alone.
const json = JSON.stringify(vectors, decimal, 2).replaceAll(/\[\s+("0x[0-9a-f]{64}")\s+\]/g, "[$1]");
writeFileSync(OUTPUT, `${json}\n`);
