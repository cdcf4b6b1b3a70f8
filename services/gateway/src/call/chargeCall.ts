import type { Logger, Pool } from "@tac/kit";
import { type Deployment, type FeedEvent, Pricing, UsageReceipt, UsageReport } from "@tac/protocol";
import type { Address, Hex } from "viem";
import type { FeedWriter } from "../feed/FeedWriter.ts";
import type { CaptureOutcome, StoredAnswer } from "../ledger/Capture.ts";
import { releaseCall } from "../ledger/releaseCall.ts";
import type { AdmittedCall } from "./AdmittedCall.ts";
import { type SettledUnits, settleUnits } from "./settleUnits.ts";
import type { UsageReports } from "./UsageReports.ts";
import { sameUnits } from "./units.ts";

export type ChargeDeps = {
  pool: Pool;
  feed: FeedWriter;
  reports: UsageReports;
  logger: Logger;
  gateway: Address;
  gatewayPrivateKey: Hex;
  domains: Deployment.Domains;
};

/** How a call ended: what was metered, and what the provider signed about it. */
export type CallEnd = {
  metered: Pricing.Units;
  responseHash: Hex;
  outcome: CaptureOutcome;
  /** Report that came with the answer itself. */
  report: UsageReport.SignedUsageReport | null;
  /** How long to wait for a report through POST /v1/usage/emit; null when the provider never sends one. */
  reportWaitMs: number | null;
  answer: (costNano: bigint) => StoredAnswer;
};

/** What a call costs by both counts, 0 when it may not be charged; `commit` ends it so, false when it had already ended. */
export type Charge = { costNano: bigint; commit: () => Promise<boolean> };

/**
 * Settles the two counts of a call. Its charge, which signs the receipt and commits charge, release, receipt, event and
 * answer together, may then come after the answer: the hold covers it. A job that demands countersignatures is charged for
 * countersigned calls only; any other of its calls is released. A call that had already ended is left as it is.
 */
export async function prepareCharge(deps: ChargeDeps, call: AdmittedCall, end: CallEnd): Promise<Charge> {
  const report = await genuineReport(deps, call, end);
  const reported = report === null ? null : UsageReport.units(report.report);
  const settled = settleUnits(end.metered, reported, call.bound, call.prices);
  if (call.job.capability.countersigned && !settled.countersigned) {
    const release = async (): Promise<boolean> => {
      await releaseCall(deps.pool, call.callId, "not_countersigned");
      await recordDisagreement(deps, call, end.metered, reported, null, settled);
      return false;
    };
    return { costNano: 0n, commit: release };
  }
  const capture = async (): Promise<boolean> => {
    const receipt = receiptOf(deps, call, settled, end.responseHash);
    const body: FeedEvent.Usage = {
      receipt,
      receiptSignature: UsageReceipt.sign(receipt, deps.domains.usageReceipts, deps.gatewayPrivateKey),
      proof: call.proof,
      usageAuth: call.usageAuthToken,
      usageReport: settled.countersigned ? report : null,
    };
    const isCharged = await deps.feed.capture(
      { kind: "usage", body },
      { callId: call.callId, receipt, outcome: end.outcome, answer: end.answer(settled.costNano) },
    );
    await recordDisagreement(deps, call, end.metered, reported, settled.units, settled);
    return isCharged;
  };
  return { costNano: settled.costNano, commit: capture };
}

/** Ends a call with its charge at once; false when it ended uncharged. */
export async function chargeCall(deps: ChargeDeps, call: AdmittedCall, end: CallEnd): Promise<boolean> {
  const { commit } = await prepareCharge(deps, call, end);
  return commit();
}

async function genuineReport(
  { reports, logger }: ChargeDeps,
  call: AdmittedCall,
  end: CallEnd,
): Promise<UsageReport.SignedUsageReport | null> {
  const { callId } = call;
  const waitMs = end.reportWaitMs;
  const report = end.report ?? (waitMs === null ? null : await reports.find(callId, waitMs));
  if (report === null) return null;
  if (await reports.isGenuine(report, call)) return report;
  logger.warn({ receiptId: call.receiptId, providerId: call.providerId }, "a usage report is not genuine");
  return null;
}

function receiptOf(
  { gateway }: ChargeDeps,
  call: AdmittedCall,
  settled: SettledUnits,
  responseHash: Hex,
): UsageReceipt.UsageReceipt {
  return {
    receiptId: call.receiptId,
    jobId: call.job.jobId,
    capabilityHash: call.job.capabilityHash,
    gateway,
    providerId: call.providerId,
    modelHash: UsageReceipt.modelHash(call.model),
    ...settled.units,
    costNano: settled.costNano,
    tariffHash: call.tariffHash,
    requestHash: call.requestHash,
    responseHash,
    proofHash: call.proofHash,
    countersigned: settled.countersigned,
    occurredAtMs: BigInt(call.heldAtMs),
  };
}

/** Only counts that differ where it costs something, or that were refused, are worth a record. */
async function recordDisagreement(
  { reports, logger }: ChargeDeps,
  call: AdmittedCall,
  metered: Pricing.Units,
  reported: Pricing.Units | null,
  settled: Pricing.Units | null,
  { disagreement }: SettledUnits,
): Promise<void> {
  if (disagreement === null) return;
  const other = reported ?? metered;
  const sameCost = Pricing.costNano(other, call.prices) === Pricing.costNano(metered, call.prices);
  if (disagreement === "gateway_higher" && sameCost && !sameUnits(other, metered)) return;
  logger.warn(
    { receiptId: call.receiptId, providerId: call.providerId, disagreement },
    "the unit counts differ",
  );
  await reports.recordDisagreement(call, metered, other, settled, disagreement);
}
