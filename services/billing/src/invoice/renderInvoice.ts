import { type Invoice, Nano } from "@tac/protocol";
import type { Hex } from "viem";
import { timeOf } from "./linesToCsv.ts";

export type RenderOptions = {
  /** Base URL of a block explorer; without one, transactions are shown as `tx 0x..`. */
  explorerUrl?: string | undefined;
};

const WIDTH = 100;
const RULE = "-".repeat(WIDTH);

/** A plain-text invoice for terminals: each line with its transaction, who signed each batch, what was paid. */
export function renderInvoice(invoice: Invoice.Invoice, { explorerUrl }: RenderOptions = {}): string {
  const link = (hash: Hex) =>
    explorerUrl === undefined ? `tx ${hash}` : `${explorerUrl.replace(/\/+$/, "")}/tx/${hash}`;
  return [
    ...heading(invoice, link),
    RULE,
    ...invoice.lines.flatMap((line) => lineBlock(line, link)),
    ...(invoice.lines.length === 0 ? ["(no calls were made)"] : []),
    RULE,
    ...invoice.settlements.flatMap((settlement) => settlementBlock(settlement, link)),
    ...releaseBlock(invoice, link),
    RULE,
    ...invoice.batches.flatMap((batch) => batchBlock(batch, link)),
    RULE,
    ...totalsBlock(invoice),
    RULE,
    field("Issued", `${timeOf(invoice.issuedAtMs)} by ${invoice.issuer}`),
    field("Signature", invoice.signature),
    "",
  ].join("\n");
}

type Link = (hash: Hex) => string;

function heading(invoice: Invoice.Invoice, link: Link): string[] {
  return [
    "INVOICE".padEnd(WIDTH - 20) + "amounts in credits".padStart(20),
    RULE,
    field("Invoice", invoice.invoiceId),
    field("Job", invoice.jobId),
    field("Tenant", invoice.tenant),
    field("Chain", String(invoice.chainId)),
    field("Locked", `${Nano.format(invoice.lock.maxSpendNano)} in block ${invoice.lock.blockNumber}`),
    field("", link(invoice.lock.transactionHash)),
  ];
}

function field(name: string, value: string): string {
  return `${name.padEnd(12)}${value}`;
}

function amountRow(text: string, amountNano: bigint): string {
  return text.padEnd(WIDTH - 20) + Nano.format(amountNano).padStart(20);
}

function lineBlock(line: Invoice.InvoiceLine, link: Link): string[] {
  const { units, receipt } = line;
  const used = [
    [units.inputTokens, "input"],
    [units.cachedInputTokens, "cached input"],
    [units.outputTokens, "output"],
    [units.requests, "requests"],
    [units.durationMs, "ms"],
  ]
    .filter(([count]) => count !== 0n)
    .map(([count, name]) => `${count} ${name}`)
    .join(", ");
  return [
    amountRow(
      `${String(line.index + 1).padStart(4)}  ${line.model}, provider ${receipt.providerId}`,
      line.amountNano,
    ),
    `      ${timeOf(receipt.occurredAtMs)}  ${used === "" ? "nothing metered" : used}${receipt.countersigned ? "  (countersigned)" : ""}`,
    `      receipt ${receipt.receiptId}`,
    `      batch ${line.batch.batchNumber} of lane ${line.batch.laneId}, tariff version ${line.tariffVersion}`,
    `      ${link(line.settlement.transactionHash)}`,
  ];
}

function settlementBlock(settlement: Invoice.InvoiceSettlement, link: Link): string[] {
  const outcome = settlement.status === "Paid" ? "" : `  [${settlement.status}]`;
  return [
    amountRow(
      `Paid to provider ${settlement.providerId} from batch ${settlement.batchNumber}${outcome}`,
      settlement.paidNano,
    ),
    `      of which fee ${Nano.format(settlement.feeNano)}; released ${Nano.format(settlement.releasedNano)}`,
    `      ${link(settlement.transactionHash)}`,
  ];
}

function releaseBlock({ release }: Invoice.Invoice, link: Link): string[] {
  if (release === null) return [];
  return [amountRow("Released after expiry", release.releasedNano), `      ${link(release.transactionHash)}`];
}

function batchBlock(batch: Invoice.InvoiceBatch, link: Link): string[] {
  const { header, signers } = batch;
  const replicas = signers.map(({ replica }) => replica).join(", ");
  return [
    `Batch ${header.batchNumber} of lane ${header.laneId}: ${header.receiptCount} receipts, root ${header.receiptsRoot}`,
    `      signed by replicas ${replicas === "" ? "(not reported)" : replicas} under key epoch ${header.keyEpoch}`,
    `      ${link(batch.transactionHash)}`,
  ];
}

function totalsBlock({ totals, tax }: Invoice.Invoice): string[] {
  const hundredths = String(tax.basisPoints % 100).padStart(2, "0");
  const percent = `${Math.floor(tax.basisPoints / 100)}.${hundredths} %`;
  return [
    amountRow("Subtotal of the lines", totals.subtotalNano),
    amountRow("Paid on chain", totals.paidNano),
    amountRow(
      `Tax ${percent}${tax.country === null ? "" : ` (${tax.country})`}, on what was paid`,
      totals.taxNano,
    ),
    amountRow("TOTAL", totals.totalNano),
    amountRow("Protocol fee, within paid", totals.feeNano),
    amountRow("Released back to the tenant", totals.releasedNano),
    amountRow("Locked", totals.lockedNano),
  ];
}
