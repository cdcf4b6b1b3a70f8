import type { Pool } from "@tac/kit";
import { Errors, Pricing, UsageReceipt, UsageReport, Wire } from "@tac/protocol";
import type { Hex } from "viem";
import { bytesOf, hexOf } from "../ledger/bytes.ts";
import type { ProviderPool } from "../upstream/ProviderPool.ts";
import { isReportOf } from "./settleUnits.ts";
import type { UsageReports } from "./UsageReports.ts";
import { sameUnits } from "./units.ts";
import { waitFor } from "./waitFor.ts";

/** Longest that a report waits for the hold of its call; a store that takes longer to commit takes few calls. */
const HOLD_WAIT_MS = 1_000;

type ReportedCall = {
  call_id: Buffer;
  job_id: Buffer;
  provider_id: bigint;
  model: string;
  state: string;
  metered_units: unknown;
};

/** `late`: the call had ended. `agrees`: whether the charged units are the reported ones; null while it runs. */
export type ReportVerdict = { late: boolean; agrees: boolean | null };

/**
 * Takes a provider's report on a call. In time, it settles the call if it is the smaller count; later, it is put on
 * record. Errors: `invalid_signature`, `unknown_receipt`, `invalid_request` when it is about something else.
 */
export async function takeReport(
  { pool, reports, providers }: { pool: Pool; reports: UsageReports; providers: ProviderPool },
  signed: UsageReport.SignedUsageReport,
): Promise<ReportVerdict> {
  const { report } = signed;
  if (providers.find(report.providerId) === null) throw Errors.fromCode("unknown_receipt");
  if (!(await reports.isSignedByProvider(signed)))
    throw Errors.fromCode("invalid_signature", { param: "signature" });
  const call = await findCall(pool, report.receiptId);
  if (call === null) throw Errors.fromCode("unknown_receipt");
  const callId = hexOf(call.call_id);
  const subject = {
    receiptId: report.receiptId,
    jobId: hexOf(call.job_id),
    providerId: Number(call.provider_id),
    modelHash: UsageReceipt.modelHash(call.model),
  };
  if (!isReportOf(report, subject)) {
    throw Errors.fromCode("invalid_request", {
      param: "report",
      detail: "The report is about another call.",
    });
  }
  const isRunning = call.state === "held" || call.state === "delivered";
  if (isRunning) {
    await reports.store(callId, signed, { isLate: false, agrees: null });
    return { late: false, agrees: null };
  }
  const charged =
    call.state === "captured"
      ? Wire.parse(Pricing.unitsSchema, call.metered_units, "internal")
      : Pricing.ZERO_UNITS;
  const reported = UsageReport.units(report);
  const agrees = sameUnits(charged, reported);
  await reports.store(callId, signed, { isLate: true, agrees });
  if (!agrees) {
    const about = { callId, providerId: report.providerId };
    await reports.recordDisagreement(about, charged, reported, charged, "late");
  }
  return { late: true, agrees };
}

/**
 * The latest attempt of a call. Its provider may be faster than the commit of its hold, and report it first. So before a call
 * is unknown, or an attempt that was given back is the latest, it is looked for a little longer.
 */
async function findCall(pool: Pool, receiptId: Hex): Promise<ReportedCall | null> {
  const latest = await waitFor(HOLD_WAIT_MS, async () => {
    const call = await readCall(pool, receiptId);
    return call?.state === "released" ? null : call;
  });
  return latest ?? readCall(pool, receiptId);
}

async function readCall(pool: Pool, receiptId: Hex): Promise<ReportedCall | null> {
  const { rows } = await pool.query<ReportedCall>(
    `SELECT call_id, job_id, provider_id, model, state, metered_units FROM calls
      WHERE receipt_id = $1 ORDER BY held_at_ms DESC LIMIT 1`,
    [bytesOf(receiptId)],
  );
  return rows[0] ?? null;
}
