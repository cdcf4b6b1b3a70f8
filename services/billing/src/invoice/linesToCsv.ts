import type { Invoice } from "@tac/protocol";

const COLUMNS = [
  "invoiceId",
  "jobId",
  "line",
  "occurredAt",
  "receiptId",
  "providerId",
  "model",
  "inputTokens",
  "cachedInputTokens",
  "outputTokens",
  "requests",
  "durationMs",
  "amountNano",
  "tariffHash",
  "tariffVersion",
  "countersigned",
  "laneId",
  "batchNumber",
  "batchHash",
  "transactionHash",
  "blockNumber",
  "logIndex",
] as const;

/** One RFC 4180 row per line of the invoice, with a header row; amounts are nanocredits. */
export function linesToCsv(invoice: Invoice.Invoice): string {
  const rows = invoice.lines.map((line) => [
    invoice.invoiceId,
    invoice.jobId,
    line.index,
    timeOf(line.receipt.occurredAtMs),
    line.receipt.receiptId,
    line.receipt.providerId,
    line.model,
    line.units.inputTokens,
    line.units.cachedInputTokens,
    line.units.outputTokens,
    line.units.requests,
    line.units.durationMs,
    line.amountNano,
    line.tariffHash,
    line.tariffVersion,
    line.receipt.countersigned,
    line.batch.laneId,
    line.batch.batchNumber,
    line.batch.batchHash,
    line.settlement.transactionHash,
    line.settlement.blockNumber,
    line.settlement.logIndex,
  ]);
  return [COLUMNS, ...rows].map((row) => `${row.map(csvCell).join(",")}\r\n`).join("");
}

/**
 * A cell as RFC 4180 wants it. Text that a spreadsheet would run as a formula gets a leading apostrophe (OWASP, "CSV
 * Injection"), because a model's name is a stranger's text.
 */
export function csvCell(value: string | number | bigint | boolean): string {
  if (typeof value !== "string") return String(value);
  const safe = /^[=+\-@\t\r\n]/.test(value) ? `'${value}` : value;
  return /[",\r\n']/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

const MAX_DATE_MS = 8_640_000_000_000_000n;

/** ISO 8601 in UTC, or the bare milliseconds when they are beyond what a date can be. */
export function timeOf(milliseconds: bigint): string {
  return milliseconds <= MAX_DATE_MS ? new Date(Number(milliseconds)).toISOString() : `${milliseconds} ms`;
}
