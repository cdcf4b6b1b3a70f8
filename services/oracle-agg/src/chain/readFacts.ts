import type { Address, Hex } from "viem";
import { type Job, jobKey, quotedTariff } from "../rules/Job.ts";
import type { Candidate, JobFacts, SettleFacts } from "../rules/settle.ts";
import type { BatchStore } from "../store/BatchStore.ts";
import type { ChainPort } from "./ChainPort.ts";

const unique = <T>(values: readonly T[]): T[] => [...new Set(values)];

const keyed = async <Key, Value>(
  keys: readonly Key[],
  read: (key: Key) => Promise<Value>,
): Promise<Map<Key, Value>> =>
  new Map(await Promise.all(keys.map(async (key) => [key, await read(key)] as const)));

/**
 * Reads all that `settle` needs to know of the chain at one block and of earlier batches. Reads start together, so that
 * the transport can send them as one request.
 */
export const readFacts = async (
  { chain, batches }: { chain: ChainPort; batches: BatchStore },
  block: bigint,
  candidates: readonly Candidate[],
  jobs: readonly Job[],
): Promise<SettleFacts> => {
  const usage = candidates.flatMap((event) =>
    event.kind === "usage" && event.refusal === null
      ? [{ gateway: event.gateway, receipt: event.receipt }]
      : [],
  );
  const jobIds = jobs.map(({ jobId }) => jobId);
  const [
    gatewayTerms,
    locks,
    revocations,
    code,
    lockedHashes,
    settled,
    signingKeys,
    publishedTariffs,
    known,
  ] = await Promise.all([
    keyed(unique(candidates.map(({ gateway }) => gateway)), (gateway) => chain.gatewayTerm(gateway, block)),
    keyed(jobIds, (jobId) => chain.lockOf(jobId, block)),
    Promise.all(jobs.map(({ capability }) => chain.revokedAt(capability, block))),
    Promise.all(jobs.map((job) => job.isEoaSigned || chain.hasCode(job.capability.tenant, block))),
    batches.lockedCapabilities(jobIds, block),
    batches.settledNano(jobIds),
    keyed(
      unique(usage.flatMap(({ receipt }) => (receipt.countersigned ? [receipt.providerId] : []))),
      (providerId) => chain.signingKeyOf(providerId, block),
    ),
    readPublishedTariffs(chain, block, usage, jobs),
    batches.knownReceipts(
      usage.map(({ receipt }) => receipt.receiptId),
      usage.map(({ receipt }) => receipt.proofHash),
    ),
  ]);
  const facts = new Map<string, JobFacts>();
  jobs.forEach((job, index) => {
    const lock = locks.get(job.jobId);
    if (lock === undefined) return;
    facts.set(jobKey(job.gateway, job.jobId), {
      job,
      lock,
      lockedCapabilityHash: lockedHashes.get(job.jobId) ?? null,
      revokedAt: revocations[index] ?? 0n,
      isTenantSigned: code[index] ?? false,
      settledNano: settled.get(job.jobId) ?? 0n,
    });
  });
  return {
    gatewayTerms,
    jobs: facts,
    publishedTariffs,
    signingKeys,
    knownReceiptIds: known.receiptIds,
    knownProofHashes: known.proofHashes,
  };
};

const readPublishedTariffs = async (
  chain: ChainPort,
  block: bigint,
  usage: readonly { gateway: Address; receipt: { jobId: Hex; tariffHash: Hex } }[],
  jobs: readonly Job[],
): Promise<Set<Hex>> => {
  const jobOf = new Map(jobs.map((job) => [jobKey(job.gateway, job.jobId), job]));
  const refs = new Map<Hex, { providerId: number; version: number }>();
  for (const { gateway, receipt } of usage) {
    const job = jobOf.get(jobKey(gateway, receipt.jobId));
    const ref = job === undefined ? undefined : quotedTariff(job, receipt.tariffHash);
    if (ref !== undefined) refs.set(receipt.tariffHash, ref);
  }
  const published = await keyed([...refs.keys()], async (tariffHash): Promise<boolean> => {
    const ref = refs.get(tariffHash);
    return ref !== undefined && (await chain.tariffHashOf(ref.providerId, ref.version, block)) === tariffHash;
  });
  return new Set([...published].flatMap(([hash, isPublished]) => (isPublished ? [hash] : [])));
};
