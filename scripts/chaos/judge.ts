import type { Hex } from "viem";
import { percentilesOf } from "../bench/measure/percentiles.ts";
import { type JobAudit, problemsOf } from "../spending/audit.ts";
import type { SeenBatch } from "./BlockWatch.ts";
import type { CommittedBatch, FedReceipt, PaidLine, ServedBatch } from "./books.ts";
import type { Call } from "./Load.ts";
import type { PhaseRun } from "./runPhase.ts";
import type { Misdeed, Rejection } from "./Scene.ts";

/** Everything that was written down of a run. */
export type Records = {
  phases: readonly PhaseRun[];
  calls: readonly Call[];
  fed: readonly FedReceipt[];
  batches: readonly CommittedBatch[];
  /** In every block that was ever seen. */
  seenBatches: readonly SeenBatch[];
  served: readonly ServedBatch[];
  lines: readonly PaidLine[];
  audits: readonly JobAudit[];
  misdeeds: readonly Misdeed[];
  rejections: readonly Rejection[];
};

export type Latency = { p50: number; p95: number; max: number };

/** What became of the calls and receipts of some time. */
export type Figures = {
  calls: number;
  answered: number;
  /** Answered with another status than 200. */
  refused: number;
  /** No answer came, or it broke off. */
  lost: number;
  receiptsIn: number;
  receiptsSettled: number;
  /** Settlements of a receipt beyond its first. */
  duplicates: number;
  /** From a receipt's `occurredAtMs` to the block that settled it; null without receipts. */
  latencyMs: Latency | null;
};

export type PhaseFigures = Figures & {
  /** Of those that occurred while the fault was in force, how many were on chain before its end began. */
  settledDuringFault: number;
  receiptsDuringFault: number;
};

export type Verdict = {
  phases: (PhaseRun & PhaseFigures)[];
  /** While the replicas caught up after a fault, before the next. */
  between: Figures;
  totals: {
    receiptsIn: number;
    receiptsSettled: number;
    duplicates: number;
    batches: number;
    chargedNano: bigint;
    paidNano: bigint;
  };
  problems: string[];
};

type Settlement = { batchNumber: bigint; settledAtMs: number };

/** Where each receipt settled, by what every replica serves of the chain's batches. */
const settlementsOf = ({ batches, served }: Records): Map<Hex, Settlement[]> => {
  const settlements = new Map<Hex, Settlement[]>();
  for (const { batchNumber, settledAtMs } of batches) {
    const copies = served.filter((one) => one.batchNumber === batchNumber && one.problems.length === 0);
    // A copy without problems has the receipts that the chain's Merkle root names, so one copy speaks for all.
    for (const receiptId of copies[0]?.receiptIds ?? []) {
      const known = settlements.get(receiptId) ?? [];
      settlements.set(receiptId, [...known, { batchNumber, settledAtMs }]);
    }
  }
  return settlements;
};

type Settlements = ReadonlyMap<Hex, readonly Settlement[]>;

const figuresOf = (
  isWithin: (atMs: number) => boolean,
  { calls, fed }: Records,
  settlements: Settlements,
): Figures => {
  const ends = calls.filter(({ dueAtMs }) => isWithin(dueAtMs)).map(({ end }) => end);
  const receipts = fed.filter(({ occurredAtMs }) => isWithin(occurredAtMs));
  const of = ({ receiptId }: FedReceipt): readonly Settlement[] => settlements.get(receiptId) ?? [];
  const settled = receipts.filter((receipt) => of(receipt).length > 0);
  const latencies = Float64Array.from(
    settled.map((receipt) => (of(receipt)[0]?.settledAtMs ?? Number.NaN) - receipt.occurredAtMs),
  );
  const { p50, p95, max } = percentilesOf(latencies);
  return {
    calls: ends.length,
    answered: ends.filter((end) => end === 200).length,
    refused: ends.filter((end) => end !== 200 && end !== "lost").length,
    lost: ends.filter((end) => end === "lost").length,
    receiptsIn: receipts.length,
    receiptsSettled: settled.length,
    duplicates: settled.reduce((sum, receipt) => sum + of(receipt).length - 1, 0),
    latencyMs: latencies.length === 0 ? null : { p50, p95, max },
  };
};

const isOf = ({ startedAtMs, healedAtMs }: PhaseRun, atMs: number): boolean =>
  atMs >= startedAtMs && atMs < healedAtMs;

const phaseFiguresOf = (phase: PhaseRun, records: Records, settlements: Settlements): PhaseFigures => {
  const { faultAtMs, endingAtMs } = phase;
  const during = records.fed.filter(
    ({ occurredAtMs }) => occurredAtMs >= faultAtMs && occurredAtMs < endingAtMs,
  );
  return {
    ...figuresOf((atMs) => isOf(phase, atMs), records, settlements),
    settledDuringFault: during.filter(({ receiptId }) =>
      settlements.get(receiptId)?.some(({ settledAtMs }) => settledAtMs < endingAtMs),
    ).length,
    receiptsDuringFault: during.length,
  };
};

const problemsOfPhase = ({ name, promised, caughtUp, ...figures }: PhaseRun & PhaseFigures): string[] => {
  const { settledDuringFault, receiptsDuringFault } = figures;
  const checks: readonly (readonly [boolean, string])[] = [
    [
      promised === "settles" && receiptsDuringFault > 0 && settledDuringFault === 0,
      `${name}: none of ${receiptsDuringFault} receipts settled while t replicas were connected`,
    ],
    [
      promised === "stands still" && settledDuringFault > 0,
      `${name}: ${settledDuringFault} receipts settled without t replicas`,
    ],
    [!caughtUp, `${name}: a replica had not caught up two minutes after the fault`],
  ];
  return checks.filter(([isWrong]) => isWrong).map(([, text]) => text);
};

/** Whether the chain's batches follow one another, and no number ever had two batches, on no branch of the chain. */
const problemsOfChain = ({ batches, seenBatches }: Records): string[] => {
  const problems: string[] = [];
  for (const [index, { batchNumber, header }] of batches.entries()) {
    const previous = batches[index - 1];
    if (batchNumber !== BigInt(index + 1)) problems.push(`batch ${batchNumber} stands at place ${index + 1}`);
    if (previous !== undefined && header.previousBatchHash !== previous.batchHash)
      problems.push(`batch ${batchNumber} does not continue batch ${previous.batchNumber}`);
  }
  const hashes = new Map<bigint, Set<Hex>>();
  for (const { batchNumber, batchHash } of [...batches, ...seenBatches])
    hashes.set(batchNumber, (hashes.get(batchNumber) ?? new Set()).add(batchHash));
  for (const [batchNumber, found] of hashes)
    if (found.size > 1)
      problems.push(`there were ${found.size} batches ${batchNumber}: ${[...found].join(", ")}`);
  return problems;
};

const problemsOfReceipts = ({ fed }: Records, settlements: Settlements): string[] => {
  const ids = new Set(fed.map(({ receiptId }) => receiptId));
  const unsettled = [...ids].filter((receiptId) => !settlements.has(receiptId));
  const unknown = [...settlements.keys()].filter((receiptId) => !ids.has(receiptId));
  const twice = [...settlements].filter(([, found]) => found.length > 1);
  return [
    ...(ids.size === fed.length ? [] : [`${fed.length - ids.size} receipts stand twice in the feed`]),
    ...(unsettled.length === 0 ? [] : [`${unsettled.length} receipts never settled, ${unsettled[0]} first`]),
    ...(unknown.length === 0
      ? []
      : [`${unknown.length} receipts settled that are in no feed, ${unknown[0]} first`]),
    ...twice.map(
      ([receiptId, found]) =>
        `receipt ${receiptId} settled in batches ${found.map(({ batchNumber }) => batchNumber).join(", ")}`,
    ),
  ];
};

const problemsOfMoney = ({ audits, lines }: Records): string[] =>
  audits.flatMap((audit) => {
    const paidNano = lines
      .filter(({ jobId }) => jobId === audit.jobId)
      .reduce((sum, line) => sum + line.paidNano, 0n);
    const name = `job ${audit.jobId.slice(0, 10)}`;
    return paidNano === audit.chargedNano
      ? problemsOf(audit)
      : [...problemsOf(audit), `${name} was charged ${audit.chargedNano}, the chain paid ${paidNano}`];
  });

/** Compares everything that was written down; any contradiction is a problem. */
export const judge = (records: Records): Verdict => {
  const { fed, batches, served, misdeeds, rejections, audits, lines } = records;
  const settlements = settlementsOf(records);
  const phases = records.phases.map((run) => ({ ...run, ...phaseFiguresOf(run, records, settlements) }));
  const isBetween = (atMs: number): boolean => !records.phases.some((phase) => isOf(phase, atMs));
  const sum = <Item>(items: readonly Item[], of: (item: Item) => bigint): bigint =>
    items.reduce((total, item) => total + of(item), 0n);
  return {
    phases,
    between: figuresOf(isBetween, records, settlements),
    totals: {
      receiptsIn: new Set(fed.map(({ receiptId }) => receiptId)).size,
      receiptsSettled: settlements.size,
      duplicates: [...settlements.values()].reduce((total, found) => total + found.length - 1, 0),
      batches: batches.length,
      chargedNano: sum(audits, ({ chargedNano }) => chargedNano),
      paidNano: sum(lines, ({ paidNano }) => paidNano),
    },
    problems: [
      ...phases.flatMap(problemsOfPhase),
      ...problemsOfChain(records),
      ...problemsOfReceipts(records, settlements),
      ...problemsOfMoney(records),
      ...served.flatMap(({ replica, batchNumber, problems }) =>
        problems.map((problem) => `batch ${batchNumber} as replica ${replica} serves it: ${problem}`),
      ),
      ...misdeeds.map(
        ({ replica, guilt, batchNumber }) =>
          `replica ${replica} was accused of ${guilt} in batch ${batchNumber}`,
      ),
      ...rejections.map(({ seq, code, reason }) => `event ${seq} was refused (${code}): ${reason}`),
    ],
  };
};
