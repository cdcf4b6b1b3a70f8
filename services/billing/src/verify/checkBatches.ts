import { setImmediate } from "node:timers/promises";
import { BatchHeader, type Invoice } from "@tac/protocol";
import { type Hex, keccak256 } from "viem";
import { blsVerdict, signersCombine } from "./blsVerdict.ts";
import type { Context } from "./Context.ts";
import { batchKey, epochKey } from "./evidence.ts";
import { reasonOf } from "./reasonOf.ts";

/** Checks each batch's header against the chain, its signature against the key of its epoch, and who signed. */
export async function checkBatches(context: Context): Promise<void> {
  const { invoice, report } = context;
  const seen = new Set<string>();
  const used = new Set([
    ...invoice.lines.map(({ batch }) => batchKey(batch.laneId, batch.batchNumber)),
    ...invoice.settlements.map(({ laneId, batchNumber }) => batchKey(laneId, batchNumber)),
  ]);
  for (const [index, batch] of invoice.batches.entries()) {
    const path = `batches[${index}]`;
    const key = batchKey(batch.header.laneId, batch.header.batchNumber);
    // Signatures are dear to check, so a service gets its turn between two batches.
    await setImmediate();
    if (seen.has(key)) {
      report(path, "duplicate_batch", "an earlier entry states the same batch");
      continue;
    }
    seen.add(key);
    if (!used.has(key))
      report(path, "unused_batch", "no line and no settlement of the invoice is in this batch");
    const batchHash = BatchHeader.hash(batch.header, context.domains.usageReceipts);
    // A batch that did not settle this job is refused as it is; checking its signatures would be a stranger's to spend.
    if (!checkHeader(path, batch, batchHash, context)) continue;
    checkGroupSignature(path, batch, batchHash, context);
    checkSigners(path, batch, batchHash, context);
  }
  for (const [index, line] of invoice.lines.entries()) {
    const batch = invoice.batches.find(
      ({ header }) => header.laneId === line.batch.laneId && header.batchNumber === line.batch.batchNumber,
    );
    if (batch !== undefined && batch.transactionHash !== line.settlement.transactionHash)
      report(
        `lines[${index}].settlement.transactionHash`,
        "settlement_mismatch",
        `the batch of this line was committed by ${batch.transactionHash}`,
      );
  }
  for (const [index, { laneId, batchNumber }] of invoice.settlements.entries()) {
    if (!seen.has(batchKey(laneId, batchNumber)))
      report(
        `settlements[${index}]`,
        "unknown_batch",
        `batch ${batchNumber} of lane ${laneId} is not among the batches`,
      );
  }
}

/** False when the chain has no such batch to compare with. */
function checkHeader(path: string, batch: Invoice.InvoiceBatch, batchHash: Hex, context: Context): boolean {
  const { evidence, report } = context;
  const { header, transactionHash } = batch;
  const transaction = evidence.transactions.get(transactionHash) ?? null;
  if (transaction === null) {
    report(
      `${path}.transactionHash`,
      "transaction_not_found",
      `no transaction ${transactionHash} settled anything of this job`,
    );
    return false;
  }
  const onChain = transaction.batches.find(
    ({ committed }) => committed.laneId === header.laneId && committed.batchNumber === header.batchNumber,
  );
  if (onChain === undefined) {
    report(
      path,
      "batch_not_on_chain",
      `transaction ${transactionHash} does not commit batch ${header.batchNumber} of lane ${header.laneId}`,
    );
    return false;
  }
  const actual = BatchHeader.toJson(onChain.committed.header);
  for (const [name, stated] of Object.entries(BatchHeader.toJson(header))) {
    const committed = Object.entries(actual).find(([field]) => field === name)?.[1];
    if (stated !== committed)
      report(`${path}.header.${name}`, "header_mismatch", `the chain has ${committed}, not ${stated}`);
  }
  if (onChain.committed.batchHash !== batchHash)
    report(
      `${path}.header`,
      "batch_hash_mismatch",
      `the header hashes to ${batchHash}, the chain committed ${onChain.committed.batchHash}`,
    );
  return true;
}

function checkGroupSignature(
  path: string,
  batch: Invoice.InvoiceBatch,
  batchHash: Hex,
  { evidence, report }: Context,
): void {
  const { laneId, keyEpoch } = batch.header;
  const keyHash = evidence.keyHashes.get(epochKey(laneId, keyEpoch)) ?? null;
  if (keccak256(batch.publicKey) !== keyHash)
    report(
      `${path}.publicKey`,
      "wrong_group_key",
      `the chain has ${keyHash === null ? "no key" : `key hash ${keyHash}`} for epoch ${keyEpoch} of lane ${laneId}`,
    );
  if (!blsVerdict(batchHash, batch.signature, batch.publicKey))
    report(
      `${path}.signature`,
      "invalid_batch_signature",
      "the group key did not sign this header; the header, the signature or the key was changed",
    );
}

/**
 * The shares are not on chain. What the group key proves is that the named shares interpolate to it, and that the
 * partial signatures made with them combine to the batch's signature. A batch may name no signers at all: the replica
 * that collected them may be gone, and the group's signature is what settles.
 */
function checkSigners(path: string, batch: Invoice.InvoiceBatch, batchHash: Hex, { report }: Context): void {
  const { signers } = batch;
  if (signers.length === 0) return;
  const repeated = signers.filter(
    ({ replica }, index) => signers.findIndex((earlier) => earlier.replica === replica) !== index,
  );
  for (const { replica } of repeated)
    report(`${path}.signers`, "duplicate_signer", `replica ${replica} is named twice`);

  const refused = signers.filter((signer, index) => {
    if (blsVerdict(batchHash, signer.partialSignature, signer.publicShare)) return false;
    report(
      `${path}.signers[${index}].partialSignature`,
      "invalid_partial_signature",
      `replica ${signer.replica} did not sign this header with the share named`,
    );
    return true;
  });
  if (repeated.length > 0 || refused.length > 0) return;
  try {
    if (!signersCombine(signers, batch.signature, batch.publicKey))
      report(
        `${path}.signers`,
        "signers_do_not_combine",
        "the shares named do not make up the group's key and signature: one is missing, or is not of this group",
      );
  } catch (error) {
    report(`${path}.signers`, "signers_do_not_combine", reasonOf(error));
  }
}
