import { taxNano } from "../invoice/tax.ts";
import type { Context } from "./Context.ts";

/** Checks the sums, the tax, and that what was paid and released is what was locked. */
export function checkTotals({ invoice, report }: Context): void {
  const { totals, settlements, lines, lock, release, tax } = invoice;
  const paidNano = sum(settlements.map((settlement) => settlement.paidNano));
  const releasedNano =
    sum(settlements.map((settlement) => settlement.releasedNano)) + (release?.releasedNano ?? 0n);
  const expectedTaxNano = taxNano(paidNano, tax.basisPoints);
  const expected = {
    subtotalNano: sum(lines.map((line) => line.amountNano)),
    taxNano: expectedTaxNano,
    totalNano: paidNano + expectedTaxNano,
    paidNano,
    feeNano: sum(settlements.map((settlement) => settlement.feeNano)),
    releasedNano,
    lockedNano: lock.maxSpendNano,
  };
  for (const [name, value] of Object.entries(expected)) {
    const stated = Object.entries(totals).find(([field]) => field === name)?.[1];
    if (stated !== value)
      report(
        `totals.${name}`,
        name === "taxNano" ? "tax_mismatch" : "totals_mismatch",
        `the invoice says ${stated}, its parts give ${value}`,
      );
  }
  if (paidNano + releasedNano !== lock.maxSpendNano)
    report(
      "totals",
      "totals_mismatch",
      `paid ${paidNano} and released ${releasedNano} do not make up the lock of ${lock.maxSpendNano}`,
    );
}

function sum(amounts: bigint[]): bigint {
  return amounts.reduce((total, amount) => total + amount, 0n);
}
