import type { Pool } from "@tac/kit";
import type { Deployment } from "@tac/protocol";
import type { Hex } from "viem";
import type { EventPlace } from "../chain/events.ts";
import { InconsistentFactsError } from "../invoice/buildInvoice.ts";
import type { JobBatch, JobFacts, JobSettlement } from "../invoice/JobFacts.ts";
import { type BatchRef, findBatch, receiptsOfJob, signaturesOf, tariffsByHash } from "../store/batches.ts";
import { eventsOfJob, keyOfEpoch } from "../store/events.ts";
import { endOfJob } from "../store/invoices.ts";

/** Reads what the store knows about a final job. Null while the job is not final, or a batch of it is missing. */
export async function loadFacts(
  pool: Pool,
  deployment: Deployment.Deployment,
  jobId: Hex,
): Promise<JobFacts | null> {
  const end = await endOfJob(pool, jobId);
  if (end === null) return null;
  const isInTime = (place: Pick<EventPlace, "blockNumber" | "logIndex">) =>
    place.blockNumber < end.blockNumber ||
    (place.blockNumber === end.blockNumber && place.logIndex <= end.logIndex);
  const stored = (await eventsOfJob(pool, deployment, jobId)).filter(({ event }) => isInTime(event));
  const events = stored.map(({ event }) => event);
  const locked = events.find((event) => event.name === "Locked");
  if (locked === undefined) throw new InconsistentFactsError(`Job ${jobId} ended but was never locked.`);

  const settlements: JobSettlement[] = [];
  for (const { event, laneId, batchNumber } of stored) {
    if (event.name !== "LineSettled") continue;
    if (laneId === null || batchNumber === null)
      throw new InconsistentFactsError(`Log ${event.logIndex} of ${event.transactionHash} is in no batch.`);
    settlements.push({ event, laneId, batchNumber });
  }
  const refs = new Map<string, BatchRef>(
    settlements.map(({ laneId, batchNumber }) => [`${laneId}/${batchNumber}`, { laneId, batchNumber }]),
  );
  const batches: JobBatch[] = [];
  for (const ref of refs.values()) {
    const batch = await loadBatch(pool, deployment, ref);
    if (batch === null) return null;
    batches.push(batch);
  }
  const receipts = (await receiptsOfJob(pool, jobId)).filter(({ laneId, batchNumber }) =>
    refs.has(`${laneId}/${batchNumber}`),
  );
  const tariffs = await tariffsByHash(pool, [...new Set(receipts.map(({ receipt }) => receipt.tariffHash))]);
  return {
    deployment,
    locked,
    released: events.find((event) => event.name === "Released") ?? null,
    settlements,
    batches,
    receipts,
    tariffs: [...tariffs.values()],
  };
}

async function loadBatch(
  pool: Pool,
  deployment: Deployment.Deployment,
  ref: BatchRef,
): Promise<JobBatch | null> {
  const found = await findBatch(pool, deployment, ref);
  const signatures = await signaturesOf(pool, ref);
  if (found === null || signatures === null) return null;
  const key = await keyOfEpoch(pool, deployment, ref.laneId, found.committed.header.keyEpoch);
  if (key === null) return null;
  return { committed: found.committed, publicKey: key.publicKey, ...signatures };
}
