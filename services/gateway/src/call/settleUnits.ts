import { Pricing, type UsageReport } from "@tac/protocol";
import { sameUnits, withinBound } from "./units.ts";

/** What a call is charged for, and why it differs from one of the two counts, if it does. */
export type SettledUnits = {
  units: Pricing.Units;
  costNano: bigint;
  /** The provider signed exactly these units. */
  countersigned: boolean;
  disagreement: "provider_higher" | "gateway_higher" | "above_bound" | null;
};

/**
 * The smaller of the gateway's and the provider's count settles, whole: classes of the two are never mixed, so that
 * what the provider signed stays recognisable. Counts above the bound that was held are never charged.
 */
export function settleUnits(
  metered: Pricing.Units,
  reported: Pricing.Units | null,
  bound: Pricing.Units,
  prices: Pricing.Prices,
): SettledUnits {
  const units = withinBound(metered, bound);
  const costNano = Pricing.costNano(units, prices);
  const isCut = !sameUnits(units, metered);
  if (reported === null) {
    return { units, costNano, countersigned: false, disagreement: isCut ? "above_bound" : null };
  }
  if (sameUnits(reported, units)) {
    return { units, costNano, countersigned: true, disagreement: isCut ? "above_bound" : null };
  }
  if (!sameUnits(reported, withinBound(reported, bound))) {
    return { units, costNano, countersigned: false, disagreement: "above_bound" };
  }
  const reportedCostNano = Pricing.costNano(reported, prices);
  if (reportedCostNano > costNano) {
    return { units, costNano, countersigned: false, disagreement: "provider_higher" };
  }
  return { units: reported, costNano: reportedCostNano, countersigned: true, disagreement: "gateway_higher" };
}

/** True when the report is about this very call. */
export function isReportOf(
  report: UsageReport.UsageReport,
  call: { receiptId: string; jobId: string; providerId: number; modelHash: string },
): boolean {
  return (
    report.receiptId === call.receiptId &&
    report.jobId === call.jobId &&
    report.providerId === call.providerId &&
    report.modelHash === call.modelHash
  );
}
