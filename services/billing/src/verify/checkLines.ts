import { setImmediate } from "node:timers/promises";
import { type Invoice, MerkleTree, Pricing, UsageReceipt } from "@tac/protocol";
import { hexToBigInt } from "viem";
import type { Context } from "./Context.ts";
import { batchKey, tariffKey } from "./evidence.ts";

const UNIT_NAMES = ["inputTokens", "cachedInputTokens", "outputTokens", "requests", "durationMs"] as const;
const PRICE_NAMES = [
  "inputTokensNano",
  "cachedInputTokensNano",
  "outputTokensNano",
  "requestsNano",
  "durationMsNano",
] as const;

const LINES_PER_TURN = 100;

/** Checks every line against its receipt, its batch, its tariff and the transaction that settled it. */
export async function checkLines(context: Context): Promise<void> {
  const seen = new Map<string, number>();
  for (const [index, line] of context.invoice.lines.entries()) {
    const path = `lines[${index}]`;
    // A long invoice must not keep a service from answering anything else.
    if (index % LINES_PER_TURN === 0) await setImmediate();
    if (line.index !== index)
      context.report(`${path}.index`, "line_index_mismatch", `says ${line.index} but stands at ${index}`);
    const earlier = seen.get(line.receipt.receiptId);
    if (earlier === undefined) seen.set(line.receipt.receiptId, index);
    else
      context.report(
        `${path}.receipt.receiptId`,
        "duplicate_receipt",
        `bills the receipt that line ${earlier} bills already`,
      );
    checkReceipt(path, line, context);
    checkInclusion(path, line, context);
    checkPrice(path, line, context);
    checkSettlementOfLine(path, line, context);
  }
}

function checkReceipt(path: string, line: Invoice.InvoiceLine, context: Context): void {
  const { invoice, evidence, domains, report } = context;
  const { receipt } = line;
  if (receipt.jobId !== invoice.jobId)
    report(`${path}.receipt.jobId`, "wrong_job", `the receipt is for job ${receipt.jobId}`);
  if (receipt.capabilityHash !== invoice.capabilityHash)
    report(
      `${path}.receipt.capabilityHash`,
      "wrong_capability",
      `the receipt rests on capability ${receipt.capabilityHash}`,
    );
  const signer = UsageReceipt.recover(receipt, line.receiptSignature, domains.usageReceipts);
  if (signer !== receipt.gateway)
    report(
      `${path}.receiptSignature`,
      "invalid_gateway_signature",
      `${signer === null ? "nobody can have signed this" : `signed by ${signer}`}, but the receipt names gateway ${receipt.gateway}; the receipt or its signature was changed`,
    );

  const term = evidence.gateways.get(receipt.gateway);
  const settledAt = evidence.transactions.get(line.settlement.transactionHash)?.timestamp;
  if (term === undefined || term.enrolledAt === 0)
    report(
      `${path}.receipt.gateway`,
      "gateway_not_enrolled",
      `the chain never enrolled gateway ${receipt.gateway}`,
    );
  // The gateway's clock and the chain's differ, so the start is compared with the block that settled the call.
  else if (settledAt !== undefined && BigInt(term.enrolledAt) > settledAt)
    report(
      `${path}.receipt.gateway`,
      "gateway_not_enrolled",
      "the gateway was enrolled after the settlement",
    );
  else if (term.removedAt !== 0 && receipt.occurredAtMs >= BigInt(term.removedAt) * 1000n)
    report(`${path}.receipt.gateway`, "gateway_not_enrolled", "the gateway was removed before the call");
}

function checkInclusion(path: string, line: Invoice.InvoiceLine, context: Context): void {
  const { invoice, evidence, report } = context;
  const { laneId, batchNumber, batchHash, root } = line.batch;
  const batch = invoice.batches.find(
    ({ header }) => header.laneId === laneId && header.batchNumber === batchNumber,
  );
  if (batch === undefined)
    report(
      `${path}.batch`,
      "unknown_batch",
      `batch ${batchNumber} of lane ${laneId} is not among the batches`,
    );

  const leaf = UsageReceipt.leaf(line.receipt);
  if (!MerkleTree.verify(root, leaf, line.proof))
    report(
      `${path}.proof`,
      "receipt_not_in_batch",
      `the proof does not lead from receipt ${line.receipt.receiptId} to root ${root}`,
    );
  const rootOnChain = evidence.roots.get(batchKey(laneId, batchNumber));
  if (rootOnChain !== root)
    report(
      `${path}.batch.root`,
      "root_not_on_chain",
      `the chain has ${describeRoot(rootOnChain)} for batch ${batchNumber} of lane ${laneId}`,
    );
  const committed = evidence.transactions
    .get(line.settlement.transactionHash)
    ?.batches.find(
      (settled) => settled.committed.laneId === laneId && settled.committed.batchNumber === batchNumber,
    );
  if (committed !== undefined && committed.committed.batchHash !== batchHash)
    report(
      `${path}.batch.batchHash`,
      "batch_hash_mismatch",
      `the chain committed ${committed.committed.batchHash}`,
    );
}

function describeRoot(root: `0x${string}` | undefined): string {
  return root === undefined || hexToBigInt(root) === 0n ? "no root" : `root ${root}`;
}

function checkPrice(path: string, line: Invoice.InvoiceLine, context: Context): void {
  const { evidence, report } = context;
  const { receipt } = line;
  const units = UsageReceipt.units(receipt);
  for (const name of UNIT_NAMES) {
    if (line.units[name] !== units[name])
      report(`${path}.units.${name}`, "units_mismatch", `the receipt meters ${units[name]}`);
  }
  if (line.amountNano !== receipt.costNano)
    report(`${path}.amountNano`, "amount_mismatch", `the receipt costs ${receipt.costNano}`);
  if (UsageReceipt.modelHash(line.model) !== receipt.modelHash)
    report(`${path}.model`, "model_hash_mismatch", `"${line.model}" is not the model of the receipt`);
  if (line.tariffHash !== receipt.tariffHash)
    report(`${path}.tariffHash`, "wrong_tariff", `the receipt was priced by tariff ${receipt.tariffHash}`);
  if (line.tariffHash !== receipt.tariffHash && !context.tariffsByHash.has(line.tariffHash))
    report(`${path}.tariffHash`, "unknown_tariff", `no tariff in the invoice hashes to ${line.tariffHash}`);

  const tariff = context.tariffsByHash.get(receipt.tariffHash);
  if (tariff === undefined) {
    report(
      `${path}.tariffHash`,
      "unknown_tariff",
      `no tariff in the invoice hashes to ${receipt.tariffHash}, which the receipt was priced by`,
    );
    return;
  }
  if (tariff.providerId !== receipt.providerId)
    report(`${path}.tariffHash`, "wrong_tariff", `the tariff is of provider ${tariff.providerId}`);
  if (tariff.version !== line.tariffVersion)
    report(`${path}.tariffVersion`, "wrong_tariff", `the tariff has version ${tariff.version}`);
  const published = evidence.tariffHashes.get(tariffKey(tariff.providerId, tariff.version));
  if (published !== receipt.tariffHash)
    report(
      `${path}.tariffHash`,
      "tariff_not_published",
      `provider ${tariff.providerId} published ${published ?? "nothing"} as version ${tariff.version}`,
    );

  const model = tariff.models.find((candidate) => candidate.model === line.model);
  if (model === undefined) {
    report(`${path}.model`, "unknown_model", `the tariff has no model "${line.model}"`);
    return;
  }
  for (const name of PRICE_NAMES) {
    if (line.prices[name] !== model.prices[name])
      report(`${path}.prices.${name}`, "price_mismatch", `the tariff says ${model.prices[name]}`);
  }
  const costNano = Pricing.costNano(units, model.prices);
  if (costNano !== receipt.costNano)
    report(
      `${path}.receipt.costNano`,
      "cost_mismatch",
      `the metered units cost ${costNano} by the tariff, not ${receipt.costNano}`,
    );
}

function checkSettlementOfLine(path: string, line: Invoice.InvoiceLine, context: Context): void {
  const { invoice, evidence, report } = context;
  const { transactionHash, blockNumber, logIndex } = line.settlement;
  const transaction = evidence.transactions.get(transactionHash) ?? null;
  if (transaction === null) {
    report(
      `${path}.settlement.transactionHash`,
      "transaction_not_found",
      `no transaction ${transactionHash} settled anything of this job`,
    );
    return;
  }
  if (transaction.blockNumber !== blockNumber)
    report(
      `${path}.settlement.blockNumber`,
      "settlement_mismatch",
      `the transaction is in block ${transaction.blockNumber}`,
    );
  const events = transaction.batches
    .filter(
      ({ committed }) =>
        committed.laneId === line.batch.laneId && committed.batchNumber === line.batch.batchNumber,
    )
    .flatMap(({ lines }) => lines.map(({ event }) => event))
    .filter((event) => event.jobId === invoice.jobId && event.providerId === line.receipt.providerId);
  if (events.length === 0)
    report(
      `${path}.settlement.transactionHash`,
      "settlement_not_on_chain",
      `the transaction settles nothing for provider ${line.receipt.providerId} of this job in batch ${line.batch.batchNumber}`,
    );
  else if (!events.some((event) => event.logIndex === logIndex))
    report(
      `${path}.settlement.logIndex`,
      "settlement_mismatch",
      `the settlement is log ${events[0]?.logIndex} of its block`,
    );
}
