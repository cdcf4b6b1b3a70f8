import type { Pool } from "@tac/kit";
import { Deployment, Errors } from "@tac/protocol";
import { type BatchRef, findBatch, saveBatch, saveTariff, tariffsByHash } from "../store/batches.ts";
import { keyOfEpoch } from "../store/events.ts";
import type { ChainReader } from "../verify/ChainReader.ts";
import { type AggregatorPort, fetchBatch } from "./fetchBatch.ts";
import type { TariffPort } from "./fetchTariff.ts";

export type CollectDeps = {
  pool: Pool;
  deployment: Deployment.Deployment;
  reader: ChainReader;
  aggregators: readonly AggregatorPort[];
  fetchTariff: TariffPort;
};

/** Attempts in which a batch without known signers is not accepted yet. */
const ATTEMPTS_FOR_SIGNERS = 4;

/** Gets, checks and stores the content of one committed batch and its tariffs. Doing it again changes nothing. */
export async function collectBatch(deps: CollectDeps, batchRef: BatchRef, attempt: number): Promise<void> {
  const { pool, deployment } = deps;
  const found = await findBatch(pool, deployment, batchRef);
  if (found === null || found.isCollected) return;
  const { committed } = found;
  const key = await keyOfEpoch(pool, deployment, committed.laneId, committed.header.keyEpoch);
  if (key === null)
    throw Errors.fromCode("chain_unavailable", {
      detail: `The key of epoch ${committed.header.keyEpoch} of lane ${committed.laneId} has not been read yet.`,
    });
  const transaction = await deps.reader.transaction(committed.transactionHash);
  const submitted = transaction?.batches.find((batch) => batch.committed.batchHash === committed.batchHash);
  const onChain = {
    committed,
    publicKey: key.publicKey,
    signatureOnChain: submitted?.signature ?? null,
  };
  const batch = await fetchBatch(deps.aggregators, onChain, {
    domains: Deployment.domains(deployment),
    acceptUnsigned: attempt > ATTEMPTS_FOR_SIGNERS,
  });
  const hashes = [...new Set(batch.receipts.map(({ receipt }) => receipt.tariffHash))];
  const known = await tariffsByHash(pool, hashes);
  for (const hash of hashes) {
    if (!known.has(hash)) await saveTariff(pool, await deps.fetchTariff(hash));
  }
  await saveBatch(pool, deployment, batchRef, batch);
}
