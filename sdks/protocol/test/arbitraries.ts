import fc from "fast-check";
import type {
  Batch,
  BatchHeader,
  Capability,
  Deployment,
  FeedEvent,
  Hex,
  Invoice,
  Line,
  Plan,
  Pricing,
  Quote,
  Sources,
  Tariff,
  UsageReceipt,
  UsageReport,
} from "../src/index.ts";

export const hex = (bytes: number): fc.Arbitrary<Hex> =>
  fc
    .uint8Array({ minLength: bytes, maxLength: bytes })
    .map((value): Hex => `0x${Buffer.from(value).toString("hex")}`);
export const bytes32 = hex(32);
export const address = hex(20);
export const uint64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const uint128 = fc.bigInt({ min: 0n, max: 2n ** 128n - 1n });
const uint32 = fc.integer({ min: 0, max: 0xffff_ffff });
const id32 = fc.integer({ min: 1, max: 0xffff_ffff });
const model = fc.stringMatching(/^[!-~]{1,40}$/);
const token = fc.stringMatching(/^[A-Za-z0-9_.-]{1,80}$/);
const kind = fc.constantFrom<Tariff.Kind>("chat", "embeddings", "http");

export const units: fc.Arbitrary<Pricing.Units> = fc.record({
  inputTokens: uint64,
  cachedInputTokens: uint64,
  outputTokens: uint64,
  requests: uint64,
  durationMs: uint64,
});

export const prices: fc.Arbitrary<Pricing.Prices> = fc.record({
  inputTokensNano: uint64,
  cachedInputTokensNano: uint64,
  outputTokensNano: uint64,
  requestsNano: uint64,
  durationMsNano: uint64,
});

export const tariff: fc.Arbitrary<Tariff.Tariff> = fc.record({
  providerId: id32,
  version: id32,
  currency: fc.constant("CREDIT" as const),
  models: fc.uniqueArray(fc.record({ model, kind, prices, contextTokens: uint64, maxOutputTokens: uint64 }), {
    minLength: 1,
    maxLength: 4,
    selector: (entry) => entry.model,
  }),
  effectiveFromMs: fc.nat(),
});

const stepShape = {
  id: fc.stringMatching(/^[A-Za-z0-9_-]{1,20}$/),
  kind,
  model,
  maxInputTokens: uint64,
  maxOutputTokens: uint64,
  maxCalls: fc.integer({ min: 1, max: 1_000_000 }),
};

export const plan: fc.Arbitrary<Plan.Plan> = fc.record({
  steps: fc.uniqueArray(
    fc.record(
      { ...stepShape, providerId: id32 },
      { requiredKeys: ["id", "kind", "model", "maxInputTokens", "maxOutputTokens", "maxCalls"] },
    ),
    { minLength: 1, maxLength: 4, selector: (step) => step.id },
  ),
});

export const quote: fc.Arbitrary<Quote.Quote> = fc.record({
  tenant: address,
  gateway: address,
  planHash: bytes32,
  tariffsHash: bytes32,
  ceilingNano: uint64,
  issuedAt: uint64,
  expiresAt: uint64,
  nonce: bytes32,
});

export const tariffRef: fc.Arbitrary<Quote.TariffRef> = fc.record({
  providerId: id32,
  version: id32,
  tariffHash: bytes32,
});

export const signedQuote: fc.Arbitrary<Quote.SignedQuote> = fc.record({
  quote,
  signature: hex(65),
  signer: address,
  plan,
  tariffs: fc.array(tariffRef, { minLength: 1, maxLength: 3 }),
  steps: fc.array(fc.record({ ...stepShape, providerId: id32, tariffHash: bytes32, ceilingNano: uint64 }), {
    minLength: 1,
    maxLength: 3,
  }),
});

export const capability: fc.Arbitrary<Capability.Capability> = fc.record({
  tenant: address,
  jobId: bytes32,
  quoteHash: bytes32,
  maxSpendNano: uint64,
  holder: bytes32,
  binding: fc.constantFrom(1, 2),
  countersigned: fc.boolean(),
  validAfter: uint64,
  expiresAt: uint64,
  salt: bytes32,
});

const counts = {
  inputTokens: uint64,
  cachedInputTokens: uint64,
  outputTokens: uint64,
  requests: uint64,
  durationMs: uint64,
};

export const receipt: fc.Arbitrary<UsageReceipt.UsageReceipt> = fc.record({
  receiptId: bytes32,
  jobId: bytes32,
  capabilityHash: bytes32,
  gateway: address,
  providerId: id32,
  modelHash: bytes32,
  ...counts,
  costNano: uint64,
  tariffHash: bytes32,
  requestHash: bytes32,
  responseHash: bytes32,
  proofHash: bytes32,
  countersigned: fc.boolean(),
  occurredAtMs: uint64,
});

export const report: fc.Arbitrary<UsageReport.UsageReport> = fc.record({
  receiptId: bytes32,
  jobId: bytes32,
  providerId: id32,
  modelHash: bytes32,
  ...counts,
});

export const signedReport: fc.Arbitrary<UsageReport.SignedUsageReport> = fc.record({
  report,
  signature: hex(65),
});

export const line: fc.Arbitrary<Line.Line> = fc.record({
  jobId: bytes32,
  providerId: id32,
  amountNano: uint64,
  receiptCount: uint32,
  isFinal: fc.boolean(),
});

export const header: fc.Arbitrary<BatchHeader.BatchHeader> = fc.record({
  laneId: uint32,
  keyEpoch: uint32,
  batchNumber: uint64,
  windowStart: uint64,
  windowEnd: uint64,
  receiptsRoot: bytes32,
  receiptCount: uint32,
  linesHash: bytes32,
  totalNano: uint128,
  previousBatchHash: bytes32,
  sourcesHash: bytes32,
});

export const sources: fc.Arbitrary<Sources.Sources> = fc.record({
  chainBlock: uint64,
  ranges: fc
    .uniqueArray(
      fc
        .record({ gateway: address, fromSeq: uint64, toSeq: uint64, toHash: bytes32 })
        .map((range) =>
          range.fromSeq <= range.toSeq ? range : { ...range, fromSeq: range.toSeq, toSeq: range.fromSeq },
        ),
      { minLength: 1, maxLength: 4, selector: (range) => range.gateway },
    )
    .map((ranges) => ranges.sort((left, right) => (left.gateway < right.gateway ? -1 : 1))),
});

export const batch: fc.Arbitrary<Batch.Batch> = fc.record({
  header,
  lines: fc.array(line, { minLength: 1, maxLength: 3 }),
  sources,
  receiptIds: fc.array(bytes32, { minLength: 1, maxLength: 3 }),
});

const feedBody: fc.Arbitrary<FeedEvent.FeedBody> = fc.oneof(
  fc.record({
    kind: fc.constant("job-opened" as const),
    body: fc.record({ capability, capabilitySignature: hex(65), signedQuote }),
  }),
  fc.record({
    kind: fc.constant("usage" as const),
    body: fc.record({
      receipt,
      receiptSignature: hex(65),
      proof: token,
      usageAuth: token,
      usageReport: fc.option(signedReport),
    }),
  }),
  fc.record({
    kind: fc.constant("job-closed" as const),
    body: fc.record({ jobId: bytes32, proof: token, usageAuth: token }),
  }),
);

export const feedEvent: fc.Arbitrary<FeedEvent.FeedEvent> = fc
  .tuple(
    feedBody,
    fc.record({ gateway: address, seq: uint64, recordedAtMs: uint64, previousHash: bytes32, hash: bytes32 }),
  )
  .map(([body, link]) => ({ ...link, ...body }));

export const feedPage: fc.Arbitrary<FeedEvent.FeedPage> = fc.record({
  events: fc.array(feedEvent, { minLength: 1, maxLength: 2 }),
  head: fc.record({ gateway: address, seq: uint64, hash: bytes32, signature: hex(65) }),
});

const g1 = hex(128);
const g2 = hex(256);

export const invoice: fc.Arbitrary<Invoice.Invoice> = fc.record({
  invoiceId: bytes32,
  version: fc.constant(1 as const),
  chainId: id32,
  deployment: fc.record({
    usageReceipts: address,
    settlementTreasury: address,
    creditVault: address,
    capabilityAuthority: address,
  }),
  tenant: address,
  jobId: bytes32,
  capabilityHash: bytes32,
  quoteHash: bytes32,
  lock: fc.record({ transactionHash: bytes32, blockNumber: uint64, maxSpendNano: uint64 }),
  lines: fc.array(
    fc.record({
      index: uint32,
      receipt,
      receiptSignature: hex(65),
      model,
      tariffHash: bytes32,
      tariffVersion: uint32,
      prices,
      units,
      amountNano: uint64,
      batch: fc.record({ laneId: uint32, batchNumber: uint64, batchHash: bytes32, root: bytes32 }),
      proof: fc.array(bytes32, { minLength: 1, maxLength: 3 }),
      settlement: fc.record({ transactionHash: bytes32, blockNumber: uint64, logIndex: uint32 }),
    }),
    { minLength: 1, maxLength: 2 },
  ),
  batches: fc.array(
    fc.record({
      header,
      signature: g1,
      publicKey: g2,
      transactionHash: bytes32,
      signers: fc.array(fc.record({ replica: uint32, publicShare: g2, partialSignature: g1 }), {
        minLength: 1,
        maxLength: 2,
      }),
    }),
    { minLength: 1, maxLength: 2 },
  ),
  settlements: fc.array(
    fc.record({
      providerId: id32,
      laneId: uint32,
      batchNumber: uint64,
      logIndex: uint32,
      paidNano: uint64,
      feeNano: uint64,
      releasedNano: uint64,
      status: fc.constantFrom("Paid" as const, "PaidInPart" as const, "Revoked" as const),
      transactionHash: bytes32,
    }),
    { minLength: 1, maxLength: 2 },
  ),
  release: fc.option(fc.record({ transactionHash: bytes32, blockNumber: uint64, releasedNano: uint64 })),
  tax: fc.record({
    country: fc.option(fc.stringMatching(/^[A-Z]{2}$/)),
    basisPoints: fc.integer({ min: 0, max: 10_000 }),
  }),
  totals: fc.record({
    subtotalNano: uint64,
    taxNano: uint64,
    totalNano: uint64,
    paidNano: uint64,
    feeNano: uint64,
    releasedNano: uint64,
    lockedNano: uint64,
  }),
  tariffs: fc.array(tariff, { minLength: 1, maxLength: 2 }),
  issuedAtMs: uint64,
  issuer: address,
  signature: hex(65),
});

export const deployment: fc.Arbitrary<Deployment.Deployment> = fc.record({
  chainId: id32,
  startBlock: fc.bigInt({ min: 0n, max: 2n ** 53n - 1n }),
  asset: address,
  creditToken: address,
  creditVault: address,
  providerRegistry: address,
  usageReceipts: address,
  settlementTreasury: address,
  paramGovernor: address,
  capabilityAuthority: address,
  sessionChannels: address,
});
