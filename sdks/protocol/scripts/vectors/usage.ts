import {
  Batch,
  BatchHeader,
  type Hex,
  Line,
  MerkleTree,
  type Sources,
  ThresholdBls,
  UsageReceipt,
  UsageReport,
  Wire,
} from "../../src/index.ts";
import { bytes32, domain, gatewayKey, MAX_UINT64, providerKey } from "./samples.ts";

const gateway = Wire.privateKeyToAddress(gatewayKey);
const usageDomain = { name: UsageReceipt.DOMAIN_NAME, version: "1", ...domain };

const receipt: UsageReceipt.UsageReceipt = {
  receiptId: bytes32("receipt 1"),
  jobId: bytes32("job 1"),
  capabilityHash: bytes32("capability 1"),
  gateway,
  providerId: 1,
  modelHash: UsageReceipt.modelHash("gpt-sim"),
  inputTokens: 1_234n,
  cachedInputTokens: 1_000n,
  outputTokens: 567n,
  requests: 1n,
  durationMs: 890n,
  costNano: 600_300n,
  tariffHash: bytes32("tariff 1"),
  requestHash: bytes32("request 1"),
  responseHash: bytes32("response 1"),
  proofHash: bytes32("proof 1"),
  countersigned: true,
  occurredAtMs: 1_700_000_001_234n,
};
const largest: UsageReceipt.UsageReceipt = {
  ...receipt,
  receiptId: bytes32("receipt 2"),
  providerId: 0xffff_ffff,
  inputTokens: MAX_UINT64,
  cachedInputTokens: MAX_UINT64,
  outputTokens: MAX_UINT64,
  requests: MAX_UINT64,
  durationMs: MAX_UINT64,
  costNano: MAX_UINT64,
  countersigned: false,
  occurredAtMs: MAX_UINT64,
};

export function usageReceipt() {
  return {
    description: "EIP-712 digest of a receipt, signed by the gateway; leaf = keccak256(structHash)",
    domain: usageDomain,
    privateKey: gatewayKey,
    signer: gateway,
    cases: [receipt, largest].map((value) => ({
      receipt: UsageReceipt.toJson(value),
      structHash: UsageReceipt.structHash(value),
      leaf: UsageReceipt.leaf(value),
      digest: UsageReceipt.hash(value, domain),
      signature: UsageReceipt.sign(value, domain, gatewayKey),
    })),
  };
}

export function usageReport() {
  const { receiptId, jobId, providerId, modelHash } = receipt;
  const report = { receiptId, jobId, providerId, modelHash, ...UsageReceipt.units(receipt) };
  const signed = UsageReport.sign(report, domain, providerKey);
  return {
    description:
      "EIP-712 digest of a provider's report; header = base64url of the RFC 8785 JSON of {report, signature}",
    domain: usageDomain,
    privateKey: providerKey,
    signer: Wire.privateKeyToAddress(providerKey),
    ...UsageReport.toJson(signed),
    digest: UsageReport.hash(report, domain),
    header: UsageReport.toHeader(signed),
  };
}

const someLines: Line.Line[] = [
  { jobId: bytes32("job 1"), providerId: 1, amountNano: 600_300n, receiptCount: 1, isFinal: false },
  {
    jobId: bytes32("job 2"),
    providerId: 2,
    amountNano: MAX_UINT64,
    receiptCount: 0xffff_ffff,
    isFinal: true,
  },
  { jobId: bytes32("job 3"), providerId: 0xffff_ffff, amountNano: 0n, receiptCount: 0, isFinal: true },
];

export function lines() {
  const outcomes = [
    (1n << 224n) | (3n << 192n) | (30n << 128n) | (20n << 64n) | 10n,
    (10n << 224n) | (0xffff_ffffn << 192n) | (MAX_UINT64 << 128n) | (MAX_UINT64 << 64n) | MAX_UINT64,
  ];
  return {
    description:
      "terms = amountNano 64 | receiptCount 32 | providerId 32 | isFinal 1; linesHash = keccak256(abi.encode(Line[]))",
    cases: [[], someLines.slice(0, 1), someLines].map((list) => ({
      lines: list.map((line) => ({ ...Line.toJson(line), terms: Line.packTerms(line).toString() })),
      linesHash: Line.hash(list),
    })),
    outcomes: outcomes.map((outcome) => {
      const { paidNano, feeNano, releasedNano, receiptCount, status } = Line.unpackOutcome(outcome);
      return {
        outcome: outcome.toString(),
        paidNano: paidNano.toString(),
        feeNano: feeNano.toString(),
        releasedNano: releasedNano.toString(),
        receiptCount,
        status,
      };
    }),
  };
}

export function batchHeader() {
  const sources: Sources.Sources = {
    chainBlock: 1_234n,
    ranges: [{ gateway, fromSeq: 0n, toSeq: 2n, toHash: bytes32("event 2") }],
  };
  const small = { ...receipt, receiptId: bytes32("receipt 3"), providerId: 2, costNano: 7n };
  const batch = Batch.build({
    laneId: 0,
    keyEpoch: 1,
    batchNumber: 1n,
    windowStart: 1_700_000_000_000n,
    windowEnd: 1_700_000_002_000n,
    previousBatchHash: `0x${"00".repeat(32)}`,
    sources,
    receipts: [receipt, small],
    finalJobs: new Map([
      [receipt.jobId, 1],
      [bytes32("job 9"), 1],
    ]),
  });
  return {
    description: "batchHash = EIP-712 digest of the header, the message of the threshold signature",
    domain: usageDomain,
    receipts: [receipt, small].map(UsageReceipt.toJson),
    finalJobs: [
      { jobId: receipt.jobId, providerId: 1 },
      { jobId: bytes32("job 9"), providerId: 1 },
    ],
    leaves: batch.leaves,
    ...Batch.toJson(batch),
    batchHash: BatchHeader.hash(batch.header, domain),
  };
}

export function merkle() {
  return {
    description: "OpenZeppelin's complete tree: leaves in order, sorted pairs; proofs[i] proves leaves[i]",
    cases: [1, 2, 3, 4, 5, 6, 7, 8, 13].map((count) => {
      const leaves = Array.from({ length: count }, (_, index) => bytes32(`leaf ${index}`));
      return {
        leaves,
        root: MerkleTree.root(leaves),
        proofs: leaves.map((_, index) => MerkleTree.proof(leaves, index)),
      };
    }),
  };
}

const ORDER = 0x73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000001n;

export function bls() {
  const coefficients = ["secret", "slope", "curvature"].map((label) => BigInt(bytes32(label)) % ORDER);
  const valueAt = (x: bigint) =>
    coefficients.reduce((sum, coefficient, power) => (sum + coefficient * x ** BigInt(power)) % ORDER, 0n);
  const scalar = (value: bigint): Hex => `0x${value.toString(16).padStart(64, "0")}`;
  const message = bytes32("batch hash");
  const secret = scalar(valueAt(0n));
  const publicKey = ThresholdBls.publicKey(secret);
  const shares = [1, 2, 3, 4].map((index) => {
    const share = scalar(valueAt(BigInt(index)));
    return {
      index,
      scalar: share,
      publicShare: ThresholdBls.publicKey(share),
      partialSignature: ThresholdBls.partialSign(message, share),
    };
  });
  const possession = ThresholdBls.possessionMessage(publicKey);
  const partials = shares
    .slice(1)
    .map(({ index, partialSignature }) => ({ index, signature: partialSignature }));
  return {
    description:
      "BLS12-381, signature on G1, key on G2, points as in EIP-2537; any 3 of the 4 shares combine",
    signatureDst: ThresholdBls.SIGNATURE_DST,
    possessionDst: ThresholdBls.POSSESSION_DST,
    threshold: 3,
    secret,
    publicKey,
    shares,
    message,
    hashedMessage: ThresholdBls.hashToPoint(message),
    signature: ThresholdBls.combine(partials),
    possessionMessage: possession,
    possessionProof: ThresholdBls.partialSign(possession, secret, ThresholdBls.POSSESSION_DST),
  };
}
