import { setImmediate } from "node:timers/promises";
import { Batch, BatchHeader, type Deployment, Line, MerkleTree, UsageReceipt } from "@tac/protocol";
import type { Hex } from "viem";
import type { BatchCommitted } from "../chain/events.ts";
import { blsVerdict, type Signer, signersCombine } from "../verify/blsVerdict.ts";
import type { AggregatorBatch } from "./AggregatorBatch.ts";

/** What an aggregator gave is not the batch that the chain committed. */
export class BatchRefusedError extends Error {
  override readonly name = "BatchRefusedError";
}

/** A batch that agrees with the chain. `signers` is empty when the aggregator knew no complete set of shares. */
export type CheckedBatch = {
  lines: Line.Line[];
  receipts: { receipt: UsageReceipt.UsageReceipt; receiptSignature: Hex; proof: Hex[] }[];
  signature: Hex;
  signers: Signer[];
};

/** What the chain says about a batch. `signatureOnChain` is null when the calldata does not show it. */
export type CommittedBatch = { committed: BatchCommitted; publicKey: Hex; signatureOnChain: Hex | null };

const RECEIPTS_PER_TURN = 500;

/**
 * Holds an aggregator's answer against the chain: header and batch hash, the hash of the lines, the root recomputed
 * from the receipts, each gateway signature, and the threshold signature. Throws BatchRefusedError.
 */
export async function checkBatch(
  body: AggregatorBatch,
  { committed, publicKey, signatureOnChain }: CommittedBatch,
  domains: Deployment.Domains,
): Promise<CheckedBatch> {
  const { header } = committed;
  if (BatchHeader.hash(body.header, domains.usageReceipts) !== committed.batchHash)
    throw new BatchRefusedError(`its header does not hash to ${committed.batchHash}`);
  if (Line.hash(body.lines) !== header.linesHash) throw new BatchRefusedError("its lines have another hash");
  const signature = body.signature ?? signatureOnChain;
  if (signature === null) throw new BatchRefusedError("it has no signature");
  if (!blsVerdict(committed.batchHash, signature, publicKey))
    throw new BatchRefusedError("its signature is not of the group");

  const ascending = body.receipts.every(
    ({ receipt }, index) =>
      index === 0 || (body.receipts[index - 1]?.receipt.receiptId ?? "") < receipt.receiptId,
  );
  if (!ascending) throw new BatchRefusedError("its receipts are not in ascending order");
  const rebuilt = rebuild(body, header);
  if (
    rebuilt.header.receiptsRoot !== header.receiptsRoot ||
    rebuilt.header.receiptCount !== header.receiptCount
  )
    throw new BatchRefusedError("its receipts do not give the root on chain");
  await checkSignatures(body, domains);

  const tree = rebuilt.leaves.length === 0 ? null : MerkleTree.build(rebuilt.leaves);
  return {
    lines: body.lines,
    receipts: body.receipts.map((entry, index) => ({
      ...entry,
      proof: tree === null ? [] : MerkleTree.proofOf(tree, index),
    })),
    signature,
    signers: checkedSigners(body, { batchHash: committed.batchHash, publicKey, signature }),
  };
}

function rebuild({ receipts }: AggregatorBatch, header: BatchHeader.BatchHeader): Batch.BuiltBatch {
  try {
    return Batch.build({
      ...header,
      sources: { chainBlock: 0n, ranges: [] },
      receipts: receipts.map(({ receipt }) => receipt),
      finalJobs: new Map(),
    });
  } catch (cause) {
    // Receipts nobody settled may add up to more than a line holds; the next aggregator is still worth asking.
    throw new BatchRefusedError("its receipts make no batch", { cause });
  }
}

async function checkSignatures(body: AggregatorBatch, domains: Deployment.Domains): Promise<void> {
  for (const [index, { receipt, receiptSignature }] of body.receipts.entries()) {
    // Thousands of receipts are seconds of work, during which the service has to answer other calls.
    if (index % RECEIPTS_PER_TURN === 0) await setImmediate();
    if (UsageReceipt.recover(receipt, receiptSignature, domains.usageReceipts) !== receipt.gateway)
      throw new BatchRefusedError(`receipt ${receipt.receiptId} is not signed by its gateway`);
  }
}

/** The reported shares whose signatures hold, provided they make up the group's key and signature. */
function checkedSigners(
  body: AggregatorBatch,
  group: { batchHash: Hex; publicKey: Hex; signature: Hex },
): Signer[] {
  const replicas = body.partials.map(({ replica }) => replica);
  const valid = body.partials
    .map(({ replica, publicShare, signature }) => ({ replica, publicShare, partialSignature: signature }))
    .filter(
      ({ replica, publicShare, partialSignature }, index) =>
        replicas.indexOf(replica) === index && blsVerdict(group.batchHash, partialSignature, publicShare),
    );
  if (valid.length === 0) return [];
  return signersCombine(valid, group.signature, group.publicKey) ? valid : [];
}
