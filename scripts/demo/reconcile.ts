import type { Invoice } from "@tac/protocol";
import type { Balances, EventSums } from "./ledgers.ts";

/** Two figures that must be equal to the nanocredit, and what they are. */
export type Check = { what: string; leftNano: bigint; rightNano: bigint; equal: boolean };

export type JobFigures = {
  invoice: Invoice.Invoice;
  before: Balances;
  after: Balances;
  events: EventSums;
  maxSpendNano: bigint;
};

/** Compares the invoice, the events and the balances of one finished job. Pure; nothing is rounded. */
export const reconcile = ({ invoice, before, after, events, maxSpendNano }: JobFigures): Check[] => {
  const check = (what: string, leftNano: bigint, rightNano: bigint): Check => ({
    what,
    leftNano,
    rightNano,
    equal: leftNano === rightNano,
  });
  const linesNano = invoice.lines.reduce((sum, { amountNano }) => sum + amountNano, 0n);
  return [
    check("invoice lines = settled on chain for the job", linesNano, events.jobPaidNano),
    check(
      "invoice lines = what left the tenant's balance",
      linesNano,
      before.tenantFreeNano - after.tenantFreeNano,
    ),
    check(
      "lock = settled + returned to the tenant",
      maxSpendNano,
      events.jobPaidNano + events.jobReleasedNano,
    ),
    check("nothing is left in the lock", after.lockedNano, 0n),
    check(
      "invoice lines = providers' part + fee, line by line on chain",
      linesNano,
      events.jobPaidNano - events.jobFeeNano + invoice.totals.feeNano,
    ),
    check(
      "providers' payable + paid out = providers' part of every line ever settled",
      after.providersPayableNano + events.withdrawnByProvidersNano,
      events.allProvidersNano,
    ),
    check(
      "fees payable + paid out = fee of every line ever settled",
      after.feesPayableNano + events.withdrawnFeesNano,
      events.allFeesNano,
    ),
    check("reserve of dollars = supply of credit", after.reserveNano, after.supplyNano),
  ];
};
