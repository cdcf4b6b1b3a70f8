import { BatchHeader, Deployment, Invoice, Tariff, UsageReceipt } from "@tac/protocol";
import type { Address, Hex } from "viem";
import type { JobBatch, JobFacts, JobReceipt, JobSettlement } from "./JobFacts.ts";
import { type TaxRate, taxNano } from "./tax.ts";

/** The facts contradict each other or are incomplete, so no invoice can be made from them. */
export class InconsistentFactsError extends Error {
  override readonly name = "InconsistentFactsError";
}

export type InvoiceTerms = { tax: TaxRate; issuer: Address; issuedAtMs: bigint };

/**
 * Makes the unsigned invoice of a job that is final. Pure: the same facts and terms give the same invoice. Lines stand
 * in the order of the chain, then of the calls. Throws InconsistentFactsError.
 */
export function buildInvoice(facts: JobFacts, terms: InvoiceTerms): Invoice.UnsignedInvoice {
  const { deployment, locked, released, settlements } = facts;
  const lines = buildLines(facts);
  const usedTariffs = new Set(lines.map((line) => line.tariffHash));
  const paidNano = sum(settlements.map(({ event }) => event.outcome.paidNano));
  const tax = taxNano(paidNano, terms.tax.basisPoints);
  return {
    invoiceId: Invoice.idOf(locked.jobId, Deployment.domains(deployment).invoice),
    version: 1,
    chainId: deployment.chainId,
    deployment: {
      usageReceipts: deployment.usageReceipts,
      settlementTreasury: deployment.settlementTreasury,
      creditVault: deployment.creditVault,
      capabilityAuthority: deployment.capabilityAuthority,
    },
    tenant: locked.tenant,
    jobId: locked.jobId,
    capabilityHash: locked.capabilityHash,
    quoteHash: locked.quoteHash,
    lock: {
      transactionHash: locked.transactionHash,
      blockNumber: locked.blockNumber,
      maxSpendNano: locked.maxSpendNano,
    },
    lines,
    batches: facts.batches.map(({ committed, signature, publicKey, signers }) => ({
      header: committed.header,
      signature,
      publicKey,
      transactionHash: committed.transactionHash,
      signers,
    })),
    settlements: settlements.map(({ event, laneId, batchNumber }) => ({
      providerId: event.providerId,
      laneId,
      batchNumber,
      paidNano: event.outcome.paidNano,
      feeNano: event.outcome.feeNano,
      releasedNano: event.outcome.releasedNano,
      status: event.outcome.status,
      transactionHash: event.transactionHash,
      logIndex: event.logIndex,
    })),
    release:
      released === null
        ? null
        : {
            transactionHash: released.transactionHash,
            blockNumber: released.blockNumber,
            releasedNano: released.releasedNano,
          },
    tax: terms.tax,
    totals: {
      subtotalNano: sum(lines.map((line) => line.amountNano)),
      taxNano: tax,
      totalNano: paidNano + tax,
      paidNano,
      feeNano: sum(settlements.map(({ event }) => event.outcome.feeNano)),
      releasedNano:
        sum(settlements.map(({ event }) => event.outcome.releasedNano)) + (released?.releasedNano ?? 0n),
      lockedNano: locked.maxSpendNano,
    },
    tariffs: facts.tariffs.filter((tariff) => usedTariffs.has(Tariff.hash(tariff))),
    issuedAtMs: terms.issuedAtMs,
    issuer: terms.issuer,
  };
}

function buildLines(facts: JobFacts): Invoice.InvoiceLine[] {
  const tariffs = new Map(facts.tariffs.map((tariff) => [Tariff.hash(tariff), tariff]));
  const usageReceipts = Deployment.domains(facts.deployment).usageReceipts;
  const order = new Map(facts.settlements.map((settlement, index) => [settlement, index]));
  const placed = facts.receipts.map((entry) => ({
    entry,
    settlement: settlementOf(entry, facts.settlements),
  }));
  placed.sort(
    (left, right) =>
      (order.get(left.settlement) ?? 0) - (order.get(right.settlement) ?? 0) ||
      compare(left.entry.receipt.occurredAtMs, right.entry.receipt.occurredAtMs) ||
      compare(left.entry.receipt.receiptId, right.entry.receipt.receiptId),
  );
  return placed.map(({ entry, settlement }, index) => {
    const { receipt } = entry;
    const { tariff, model } = modelOf(receipt, tariffs);
    const { header } = batchOf(entry, facts.batches).committed;
    return {
      index,
      receipt,
      receiptSignature: entry.receiptSignature,
      model: model.model,
      tariffHash: receipt.tariffHash,
      tariffVersion: tariff.version,
      prices: model.prices,
      units: UsageReceipt.units(receipt),
      amountNano: receipt.costNano,
      batch: {
        laneId: header.laneId,
        batchNumber: header.batchNumber,
        batchHash: BatchHeader.hash(header, usageReceipts),
        root: header.receiptsRoot,
      },
      proof: entry.proof,
      settlement: {
        transactionHash: settlement.event.transactionHash,
        blockNumber: settlement.event.blockNumber,
        logIndex: settlement.event.logIndex,
      },
    };
  });
}

function settlementOf(
  { receipt, laneId, batchNumber }: JobReceipt,
  settlements: JobSettlement[],
): JobSettlement {
  const settlement = settlements.find(
    (candidate) =>
      candidate.laneId === laneId &&
      candidate.batchNumber === batchNumber &&
      candidate.event.providerId === receipt.providerId &&
      candidate.event.outcome.status !== "NotAscending",
  );
  if (settlement === undefined)
    throw new InconsistentFactsError(
      `Receipt ${receipt.receiptId} is in batch ${batchNumber} of lane ${laneId}, which settled no line for it.`,
    );
  return settlement;
}

function batchOf({ laneId, batchNumber }: JobReceipt, batches: JobBatch[]): JobBatch {
  const batch = batches.find(
    ({ committed }) => committed.laneId === laneId && committed.batchNumber === batchNumber,
  );
  if (batch === undefined)
    throw new InconsistentFactsError(`Batch ${batchNumber} of lane ${laneId} is not among the job's.`);
  return batch;
}

function modelOf(receipt: UsageReceipt.UsageReceipt, tariffs: ReadonlyMap<Hex, Tariff.Tariff>) {
  const tariff = tariffs.get(receipt.tariffHash);
  if (tariff === undefined)
    throw new InconsistentFactsError(
      `Tariff ${receipt.tariffHash} of receipt ${receipt.receiptId} is missing.`,
    );
  const model = tariff.models.find((entry) => UsageReceipt.modelHash(entry.model) === receipt.modelHash);
  if (model === undefined)
    throw new InconsistentFactsError(
      `Tariff ${receipt.tariffHash} has no model that hashes to ${receipt.modelHash}.`,
    );
  return { tariff, model };
}

function sum(amounts: bigint[]): bigint {
  return amounts.reduce((total, amount) => total + amount, 0n);
}

function compare<Value extends bigint | string>(left: Value, right: Value): number {
  if (left === right) return 0;
  return left < right ? -1 : 1;
}
