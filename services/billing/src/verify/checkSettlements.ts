import type { Invoice } from "@tac/protocol";
import type { EventPlace } from "../chain/events.ts";
import type { SettledBatch, SettledLine } from "./ChainReader.ts";
import type { Context } from "./Context.ts";

const eventKey = (transactionHash: string, logIndex: number) => `${transactionHash}/${logIndex}`;

/** Checks what the invoice says each line of a batch was paid, and that no settlement of the job is left out. */
export function checkSettlements(context: Context): void {
  const { invoice, report } = context;
  const known = new Set<string>();
  const linesOf = new Map<string, Invoice.InvoiceLine[]>();
  for (const line of invoice.lines) {
    const key = eventKey(line.settlement.transactionHash, line.settlement.logIndex);
    const lines = linesOf.get(key);
    if (lines === undefined) linesOf.set(key, [line]);
    else lines.push(line);
  }
  for (const [index, settlement] of invoice.settlements.entries()) {
    const path = `settlements[${index}]`;
    const key = eventKey(settlement.transactionHash, settlement.logIndex);
    if (known.has(key)) report(path, "duplicate_settlement", "an earlier entry states the same settlement");
    known.add(key);
    checkSettlement(path, settlement, linesOf.get(key) ?? [], context);
  }
  for (const [index, line] of invoice.lines.entries()) {
    if (!known.has(eventKey(line.settlement.transactionHash, line.settlement.logIndex)))
      report(
        `lines[${index}].settlement`,
        "unknown_settlement",
        "no settlement of the invoice covers this line",
      );
  }
  checkCompleteness(known, context);
}

function checkSettlement(
  path: string,
  stated: Invoice.InvoiceSettlement,
  lines: Invoice.InvoiceLine[],
  context: Context,
): void {
  const { evidence, report } = context;
  const transaction = evidence.transactions.get(stated.transactionHash) ?? null;
  if (transaction === null) {
    report(
      `${path}.transactionHash`,
      "transaction_not_found",
      `no transaction ${stated.transactionHash} settled anything of this job`,
    );
    return;
  }
  const found = findLine(transaction.batches, stated, context.invoice.jobId);
  if (found === null) {
    report(
      path,
      "settlement_not_on_chain",
      `log ${stated.logIndex} of transaction ${stated.transactionHash} settles no line of this job for provider ${stated.providerId}`,
    );
    return;
  }
  const { event } = found.line;
  const { committed } = found.batch;
  const differences: [string, unknown, unknown][] = [
    ["laneId", stated.laneId, committed.laneId],
    ["batchNumber", stated.batchNumber, committed.batchNumber],
    ["paidNano", stated.paidNano, event.outcome.paidNano],
    ["feeNano", stated.feeNano, event.outcome.feeNano],
    ["releasedNano", stated.releasedNano, event.outcome.releasedNano],
    ["status", stated.status, event.outcome.status],
  ];
  for (const [name, claimed, actual] of differences) {
    if (claimed !== actual)
      report(`${path}.${name}`, "settlement_mismatch", `the invoice says ${claimed}, the chain ${actual}`);
  }
  checkLinesCover(path, lines, found.line, context);
}

function findLine(
  batches: SettledBatch[],
  stated: Invoice.InvoiceSettlement,
  jobId: string,
): { batch: SettledBatch; line: SettledLine } | null {
  for (const batch of batches) {
    const line = batch.lines.find(
      ({ event }) =>
        event.logIndex === stated.logIndex && event.jobId === jobId && event.providerId === stated.providerId,
    );
    if (line !== undefined) return { batch, line };
  }
  return null;
}

/** The invoice's lines must be all the receipts the settlement was for, and add up to its amount. */
function checkLinesCover(
  path: string,
  lines: Invoice.InvoiceLine[],
  { event, line }: SettledLine,
  { report }: Context,
): void {
  // A duplicate of an earlier line pays nothing, and its receipts are billed by the line it repeats.
  if (event.outcome.status === "NotAscending") return;
  const { receiptCount, status, paidNano } = event.outcome;
  if (lines.length !== receiptCount)
    report(
      path,
      "missing_line",
      `the chain settled ${receiptCount} receipts here, the invoice has ${lines.length} lines for them`,
    );
  const sumNano = lines.reduce((sum, { amountNano }) => sum + amountNano, 0n);
  const dueNano = line?.amountNano ?? (status === "Paid" ? paidNano : null);
  if (dueNano !== null && sumNano !== dueNano)
    report(path, "amount_mismatch", `its lines add up to ${sumNano}, the batch says ${dueNano}`);
}

/**
 * A line that the chain refused after the job was closed changed nothing, so an invoice issued before it stays
 * complete; everything else the treasury logged for the job has to be in the invoice.
 */
function checkCompleteness(known: ReadonlySet<string>, { invoice, evidence, report }: Context): void {
  const statedPlaces = evidence.job.settled.filter((event) =>
    known.has(eventKey(event.transactionHash, event.logIndex)),
  );
  const last = [...statedPlaces, ...evidence.job.released].sort(byPlace).at(-1);
  for (const event of evidence.job.settled) {
    if (known.has(eventKey(event.transactionHash, event.logIndex))) continue;
    const movedMoney = event.outcome.paidNano > 0n || event.outcome.releasedNano > 0n;
    if (movedMoney || (last !== undefined && byPlace(event, last) < 0))
      report(
        "settlements",
        "missing_settlement",
        `transaction ${event.transactionHash} paid ${event.outcome.paidNano} to provider ${event.providerId} for job ${invoice.jobId}, which the invoice leaves out`,
      );
  }
}

function byPlace(left: EventPlace, right: EventPlace): number {
  if (left.blockNumber === right.blockNumber) return left.logIndex - right.logIndex;
  return left.blockNumber < right.blockNumber ? -1 : 1;
}
