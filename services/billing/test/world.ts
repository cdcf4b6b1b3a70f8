import {
  Batch,
  BatchHeader,
  Capability,
  Deployment,
  type Line,
  MerkleTree,
  Pricing,
  Tariff,
  UsageReceipt,
  Wire,
} from "@tac/protocol";
import { type Address, type Hex, keccak256, numberToHex, stringToHex } from "viem";
import type {
  BatchCommitted,
  BatchSettled,
  BillingEvent,
  EventPlace,
  LineSettled,
  Locked,
} from "../src/chain/events.ts";
import type { JobBatch, JobFacts, JobReceipt, JobSettlement } from "../src/invoice/JobFacts.ts";
import type { MemoryChainState } from "./memoryChain.ts";
import { createThresholdGroup, type ThresholdGroup } from "./thresholdGroup.ts";

export const name32 = (name: string): Hex => keccak256(stringToHex(name));
const addressOf = (name: string): Address => `0x${name32(name).slice(26)}`;

export const gatewayKey = name32("gateway key");
export const billingKey = name32("billing key");
export const gateway = Wire.privateKeyToAddress(gatewayKey);
export const issuer = Wire.privateKeyToAddress(billingKey);
export const tenant = addressOf("tenant");

export const deployment: Deployment.Deployment = {
  chainId: 31_337,
  startBlock: 1n,
  asset: addressOf("asset"),
  creditToken: addressOf("creditToken"),
  creditVault: addressOf("creditVault"),
  providerRegistry: addressOf("providerRegistry"),
  usageReceipts: addressOf("usageReceipts"),
  settlementTreasury: addressOf("settlementTreasury"),
  paramGovernor: addressOf("paramGovernor"),
  capabilityAuthority: addressOf("capabilityAuthority"),
  sessionChannels: addressOf("sessionChannels"),
};
const domains = Deployment.domains(deployment);

export const CHAT_MODEL = "sim-chat-large";
export const EMBEDDINGS_MODEL = "sim-embed-small";

const prices = (input: bigint, output: bigint): Pricing.Prices => ({
  inputTokensNano: input,
  cachedInputTokensNano: input / 10n,
  outputTokensNano: output,
  requestsNano: 1_000n,
  durationMsNano: 7n,
});

export const tariffs: Tariff.Tariff[] = [
  {
    providerId: 1,
    version: 3,
    currency: "CREDIT",
    models: [
      {
        model: CHAT_MODEL,
        kind: "chat",
        prices: prices(2_500_000_000n, 10_000_000_000n),
        contextTokens: 128_000n,
        maxOutputTokens: 4_096n,
      },
    ],
    effectiveFromMs: 1_700_000_000_000,
  },
  {
    providerId: 2,
    version: 1,
    currency: "CREDIT",
    models: [
      {
        model: EMBEDDINGS_MODEL,
        kind: "embeddings",
        prices: prices(20_000_000n, 0n),
        contextTokens: 8_192n,
        maxOutputTokens: 0n,
      },
    ],
    effectiveFromMs: 1_700_000_000_000,
  },
];

export const WINDOW_START_MS = 1_760_000_000_000n;

/** A call of a job; what it costs follows from the tariff of its provider. */
export type Call = {
  id: string;
  providerId: 1 | 2;
  jobId: Hex;
  capabilityHash: Hex;
  atMs: bigint;
  inputTokens: bigint;
};

export function receiptOf(call: Call): UsageReceipt.UsageReceipt {
  const tariff = tariffs[call.providerId - 1];
  const model = tariff?.models[0];
  if (tariff === undefined || model === undefined) throw new Error("The world has two providers.");
  const units: Pricing.Units = {
    ...Pricing.ZERO_UNITS,
    inputTokens: call.inputTokens,
    outputTokens: call.providerId === 1 ? call.inputTokens / 3n : 0n,
    requests: 1n,
  };
  return {
    receiptId: name32(`receipt ${call.id}`),
    jobId: call.jobId,
    capabilityHash: call.capabilityHash,
    gateway,
    providerId: call.providerId,
    modelHash: UsageReceipt.modelHash(model.model),
    ...units,
    costNano: Pricing.costNano(units, model.prices),
    tariffHash: Tariff.hash(tariff),
    requestHash: name32(`request ${call.id}`),
    responseHash: name32(`response ${call.id}`),
    proofHash: name32(`proof ${call.id}`),
    countersigned: call.providerId === 1,
    occurredAtMs: call.atMs,
  };
}

/** One batch as the aggregators and the chain know it. */
export type WorldBatch = {
  built: Batch.BuiltBatch;
  receipts: { receipt: UsageReceipt.UsageReceipt; receiptSignature: Hex }[];
  committed: BatchCommitted;
  settled: LineSettled[];
  ended: BatchSettled;
  signature: Hex;
  signers: JobBatch["signers"];
};

export type World = {
  group: ThresholdGroup;
  jobId: Hex;
  otherJobId: Hex;
  locked: Locked;
  batches: WorldBatch[];
  events: BillingEvent[];
  state: MemoryChainState;
};

type Outcomes = (line: Line.Line) => Partial<Line.LineOutcome>;

const FEE_BPS = 250n;
export const MAX_SPEND_NANO = 5_000_000_000n;

/**
 * A job that calls two providers over two batches beside another job's calls, and ends in the second batch. Everything
 * is signed for real. `outcomes` changes what the chain did with lines of the first job.
 */
export function createWorld(outcomes: Outcomes = () => ({})): World {
  const group = createThresholdGroup(0x1234_5678_9abc_def0n);
  const jobId = Capability.jobId(tenant, name32("salt"));
  const otherJobId = Capability.jobId(tenant, name32("other salt"));
  const capabilityHash = name32("capability");
  const lockOf = (lockedJobId: Hex, hash: Hex, blockNumber: bigint): Locked => ({
    name: "Locked",
    transactionHash: name32(`lock of ${lockedJobId}`),
    blockNumber,
    logIndex: 0,
    jobId: lockedJobId,
    tenant,
    capabilityHash: hash,
    quoteHash: name32("quote"),
    holder: name32("holder"),
    maxSpendNano: MAX_SPEND_NANO,
    validAfter: WINDOW_START_MS / 1000n,
    expiresAt: WINDOW_START_MS / 1000n + 3600n,
  });
  const mine = { jobId, capabilityHash };
  const other = { jobId: otherJobId, capabilityHash: name32("other capability") };
  const at = (seconds: bigint) => WINDOW_START_MS + seconds * 1000n;
  const calls: Call[][] = [
    [
      { ...mine, id: "chat 1", providerId: 1, atMs: at(1n), inputTokens: 1_234n },
      { ...other, id: "other 1", providerId: 1, atMs: at(2n), inputTokens: 10n },
      { ...mine, id: "embed 1", providerId: 2, atMs: at(3n), inputTokens: 7_001n },
      { ...mine, id: "chat 2", providerId: 1, atMs: at(4n), inputTokens: 90n },
    ],
    [
      { ...mine, id: "chat 3", providerId: 1, atMs: at(11n), inputTokens: 55_555n },
      { ...other, id: "other 2", providerId: 2, atMs: at(12n), inputTokens: 100n },
    ],
  ];
  const locked = lockOf(jobId, capabilityHash, 10n);
  const lockedOther = lockOf(otherJobId, other.capabilityHash, 10n);
  lockedOther.logIndex = 5;
  const remaining = new Map([jobId, otherJobId].map((id) => [id, MAX_SPEND_NANO]));
  const batches: WorldBatch[] = [];
  for (const [index, batchCalls] of calls.entries()) {
    batches.push(
      commit({
        index,
        calls: batchCalls,
        finalJob: index === 1 ? jobId : null,
        previous: batches.at(-1),
        group,
        remaining,
        outcomes,
      }),
    );
  }
  const keySet: BillingEvent = {
    name: "AggregatorKeySet",
    transactionHash: name32("openLane"),
    blockNumber: 2n,
    logIndex: 1,
    laneId: 0,
    keyEpoch: 1,
    keyHash: keccak256(group.publicKey),
    publicKey: group.publicKey,
  };
  const published: BillingEvent[] = tariffs.map((tariff, index) => ({
    name: "TariffPublished",
    transactionHash: name32("publish"),
    blockNumber: 3n,
    logIndex: index,
    providerId: tariff.providerId,
    tariffVersion: tariff.version,
    tariffHash: Tariff.hash(tariff),
  }));
  const events: BillingEvent[] = [
    keySet,
    ...published,
    locked,
    lockedOther,
    ...batches.flatMap(({ committed, settled, ended }) => [committed, ...settled, ended]),
  ];
  const state: MemoryChainState = {
    chainId: deployment.chainId,
    events,
    lines: new Map(batches.map(({ built, committed }) => [committed.batchHash, built.lines])),
    closedJobs: new Set([jobId]),
    gateways: new Map([[gateway, { enrolledAt: Number(WINDOW_START_MS / 1000n) - 100, removedAt: 0 }]]),
    timestampOf: (blockNumber) => WINDOW_START_MS / 1000n + blockNumber,
  };
  return { group, jobId, otherJobId, locked, batches, events, state };
}

type Commit = {
  index: number;
  calls: Call[];
  finalJob: Hex | null;
  previous: WorldBatch | undefined;
  group: ThresholdGroup;
  remaining: Map<Hex, bigint>;
  outcomes: Outcomes;
};

function commit({ index, calls, finalJob, previous, group, remaining, outcomes }: Commit): WorldBatch {
  const receipts = calls
    .map(receiptOf)
    .sort((left, right) => (left.receiptId < right.receiptId ? -1 : 1))
    .map((receipt) => ({
      receipt,
      receiptSignature: UsageReceipt.sign(receipt, domains.usageReceipts, gatewayKey),
    }));
  const batchNumber = BigInt(index + 1);
  const windowStart = WINDOW_START_MS + BigInt(index) * 10_000n;
  const built = Batch.build({
    laneId: 0,
    keyEpoch: 1,
    batchNumber,
    windowStart,
    windowEnd: windowStart + 10_000n,
    previousBatchHash: previous?.committed.batchHash ?? numberToHex(0, { size: 32 }),
    sources: { chainBlock: 10n, ranges: [{ gateway, fromSeq: 0n, toSeq: 4n, toHash: name32("feed") }] },
    receipts: receipts.map(({ receipt }) => receipt),
    finalJobs: new Map(finalJob === null ? [] : [[finalJob, 1]]),
  });
  const batchHash = BatchHeader.hash(built.header, domains.usageReceipts);
  const transactionHash = name32(`submit ${batchNumber}`);
  const blockNumber = 20n + BigInt(index);
  const place = (logIndex: number): EventPlace => ({ transactionHash, blockNumber, logIndex });
  const settled = built.lines.map((line, lineIndex): LineSettled => {
    const left = remaining.get(line.jobId) ?? 0n;
    const changed = outcomes(line);
    const paidNano = changed.paidNano ?? line.amountNano;
    const releasedNano = line.isFinal ? left - paidNano : 0n;
    remaining.set(line.jobId, left - paidNano - releasedNano);
    const outcome: Line.LineOutcome = {
      paidNano,
      feeNano: (paidNano * FEE_BPS) / 10_000n,
      releasedNano,
      receiptCount: line.receiptCount,
      status: "Paid",
      ...changed,
    };
    return {
      name: "LineSettled",
      ...place(4 + lineIndex),
      jobId: line.jobId,
      providerId: line.providerId,
      outcome,
    };
  });
  const total = (pick: (outcome: Line.LineOutcome) => bigint) =>
    settled.reduce((sum, { outcome }) => sum + pick(outcome), 0n);
  return {
    built,
    receipts,
    committed: {
      name: "BatchCommitted",
      ...place(3),
      laneId: 0,
      batchNumber,
      batchHash,
      header: built.header,
    },
    settled,
    ended: {
      name: "BatchSettled",
      ...place(4 + built.lines.length),
      batchHash,
      paidNano: total((outcome) => outcome.paidNano),
      feeNano: total((outcome) => outcome.feeNano),
      releasedNano: total((outcome) => outcome.releasedNano),
    },
    ...group.sign(batchHash),
  };
}

/** What billing collects about the first job of the world. */
export function factsOf(world: World): JobFacts {
  const { jobId, batches } = world;
  const settlements: JobSettlement[] = batches.flatMap(({ committed, settled }) =>
    settled
      .filter((event) => event.jobId === jobId)
      .map((event) => ({ event, laneId: committed.laneId, batchNumber: committed.batchNumber })),
  );
  const receipts: JobReceipt[] = batches.flatMap(({ committed, built, receipts: ofBatch }) =>
    ofBatch
      .map((entry, index) => ({
        ...entry,
        laneId: committed.laneId,
        batchNumber: committed.batchNumber,
        proof: MerkleTree.proof(built.leaves, index),
      }))
      .filter(({ receipt }) => receipt.jobId === jobId),
  );
  return {
    deployment,
    locked: world.locked,
    released: null,
    settlements,
    batches: batches.map(({ committed, signature, signers }) => ({
      committed,
      signature,
      signers,
      publicKey: world.group.publicKey,
    })),
    receipts,
    tariffs,
  };
}
