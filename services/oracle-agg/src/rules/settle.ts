import type { UsageReceipt } from "@tac/protocol";
import type { Address, Hex } from "viem";
import type { GatewayTerm, LockFact } from "../chain/ChainPort.ts";
import { type Job, jobKey, lowestProvider } from "./Job.ts";
import { isCurable, type Refusal, refuse } from "./Verdict.ts";

/** What the rules ask of a receipt, and what its batch holds of it. */
export type SettledReceipt = Pick<
  UsageReceipt.UsageReceipt,
  | "receiptId"
  | "jobId"
  | "proofHash"
  | "tariffHash"
  | "providerId"
  | "costNano"
  | "occurredAtMs"
  | "countersigned"
>;

/** An event as it was stored, with what its own content already decided. */
export type Candidate = {
  gateway: Address;
  seq: bigint;
  hash: Hex;
  recordedAtMs: bigint;
  jobId: Hex;
  /** What `validateEvent` refused it for. */
  refusal: Refusal | null;
} & (
  | { kind: "job-opened" | "job-closed" }
  | { kind: "usage"; receipt: SettledReceipt & { leaf: Hex }; reportSigner: Address | null }
);

export type JobFacts = {
  job: Job;
  lock: LockFact;
  /** Digest of the capability the lock was made with; null while there is no lock. */
  lockedCapabilityHash: Hex | null;
  /** Unix seconds; zero while not revoked. */
  revokedAt: bigint;
  /** Whether the tenant, EOA or contract, signed the capability. */
  isTenantSigned: boolean;
  /** Sum of the job's receipts in committed batches. */
  settledNano: bigint;
};

/** What was read, all at one block, for the events of one batch. */
export type SettleFacts = {
  gatewayTerms: ReadonlyMap<Address, GatewayTerm>;
  /** By `jobKey`. */
  jobs: ReadonlyMap<string, JobFacts>;
  /** Tariff hashes of the jobs' quotes that the registry has under their provider and version. */
  publishedTariffs: ReadonlySet<Hex>;
  signingKeys: ReadonlyMap<number, Address | null>;
  knownReceiptIds: ReadonlySet<Hex>;
  knownProofHashes: ReadonlySet<Hex>;
};

export type SettleLimits = {
  /** Unix ms; an event recorded at or after it belongs to a later window. */
  windowEndMs: bigint;
  maxReceipts: number;
  maxLines: number;
  /** An event recorded after this time is not refused yet for what a later block may cure. Unix ms. */
  curableAfterMs: bigint;
};

type UsageCandidate = Candidate & { kind: "usage" };

/** Where one gateway's range ended, and why before its last event, if so. */
export type Progress = { gateway: Address; toSeq: bigint; toHash: Hex; stoppedBy: string | null };

export type Settlement = {
  accepted: UsageCandidate[];
  refused: ({ gateway: Address; seq: bigint } & Refusal)[];
  finalJobs: Map<Hex, number>;
  progress: Progress[];
};

/** One gateway's events after the last settled one, ascending by `seq`. */
export type Feed = { gateway: Address; fromSeq: bigint; fromHash: Hex; events: readonly Candidate[] };

const FULL_OF_RECEIPTS = "the batch is full of receipts";
const FULL_OF_LINES = "the batch is full of lines";

/** Whether an event was left out for want of room. */
export const isFull = ({ progress }: Settlement): boolean =>
  progress.some(({ stoppedBy }) => stoppedBy === FULL_OF_RECEIPTS || stoppedBy === FULL_OF_LINES);

/** A gateway enrolled within the same minute as its first calls is not punished for a clock that differs. */
const ENROLMENT_SKEW_MS = 60_000n;

/**
 * Decides what a batch holds. Pure, and the same on every honest replica for the same events, facts and limits.
 * @param feeds one per gateway, in the order in which gateways share the limits.
 */
export const settle = (feeds: readonly Feed[], facts: SettleFacts, limits: SettleLimits): Settlement => {
  const tally = new Tally(facts);
  const result: Settlement = { accepted: [], refused: [], finalJobs: new Map(), progress: [] };
  for (const feed of feeds) {
    const progress: Progress = {
      gateway: feed.gateway,
      toSeq: feed.fromSeq,
      toHash: feed.fromHash,
      stoppedBy: null,
    };
    for (const event of feed.events) {
      const refusal = event.refusal ?? chainRefusal(event, facts) ?? tally.refusal(event);
      progress.stoppedBy = stopReason(event, refusal, tally, limits);
      if (progress.stoppedBy !== null) break;
      if (refusal !== null) {
        result.refused.push({
          gateway: event.gateway,
          seq: event.seq,
          code: refusal.code,
          reason: refusal.reason,
        });
      } else if (event.kind === "usage") {
        tally.add(event);
        result.accepted.push(event);
      } else if (event.kind === "job-closed") {
        tally.close(event.jobId);
        const job = facts.jobs.get(jobKey(event.gateway, event.jobId))?.job;
        if (job !== undefined) result.finalJobs.set(event.jobId, lowestProvider(job));
      }
      progress.toSeq = event.seq;
      progress.toHash = event.hash;
    }
    result.progress.push(progress);
  }
  return result;
};

const stopReason = (
  event: Candidate,
  refusal: Refusal | null,
  tally: Tally,
  limits: SettleLimits,
): string | null => {
  if (event.recordedAtMs >= limits.windowEndMs) return "the next event belongs to a later window";
  if (refusal !== null)
    return isCurable(refusal.code) && event.recordedAtMs > limits.curableAfterMs
      ? `the chain may still cure ${refusal.code}`
      : null;
  if (event.kind === "usage" && tally.receipts >= limits.maxReceipts) return FULL_OF_RECEIPTS;
  if (tally.linesWith(event) > limits.maxLines) return FULL_OF_LINES;
  return null;
};

const chainRefusal = (event: Candidate, facts: SettleFacts): Refusal | null => {
  const happenedAtMs = event.kind === "usage" ? event.receipt.occurredAtMs : event.recordedAtMs;
  const term = facts.gatewayTerms.get(event.gateway);
  if (term === undefined || !isEnrolledAt(term, happenedAtMs))
    return refuse("gateway_not_enrolled", "The gateway was not enrolled at that time.");
  const jobFacts = facts.jobs.get(jobKey(event.gateway, event.jobId));
  if (jobFacts === undefined) return refuse("unknown_job", "The feed opened no such job.");
  const { lock, lockedCapabilityHash, job } = jobFacts;
  if (lockedCapabilityHash === null || lock.state === "none")
    return refuse("lock_missing", "The chain has no lock for the job.");
  if (
    lockedCapabilityHash !== job.capabilityHash ||
    lock.tenant !== job.capability.tenant ||
    lock.maxSpendNano !== job.capability.maxSpendNano
  )
    return refuse("lock_mismatch", "The lock was made with another capability.");
  if (!jobFacts.isTenantSigned)
    return refuse("capability_signature", "The tenant did not sign the capability.");
  if (event.kind === "job-opened") return null;
  if (lock.state !== "open") return refuse("lock_not_open", "The job's lock is closed.");
  return event.kind === "usage" ? usageRefusal(event, jobFacts, facts) : null;
};

const usageRefusal = ({ receipt, reportSigner }: UsageCandidate, jobFacts: JobFacts, facts: SettleFacts) => {
  const { revokedAt } = jobFacts;
  if (revokedAt !== 0n && receipt.occurredAtMs >= revokedAt * 1000n)
    return refuse("capability_revoked", "The capability was revoked before the call.");
  if (!facts.publishedTariffs.has(receipt.tariffHash))
    return refuse("tariff_not_published", "The registry has no such tariff of the provider.");
  if (
    receipt.countersigned &&
    (reportSigner === null || facts.signingKeys.get(receipt.providerId) !== reportSigner)
  )
    return refuse("countersigner", "The report is not signed by the provider's key on chain.");
  return null;
};

const isEnrolledAt = ({ enrolledAt, removedAt }: GatewayTerm, atMs: bigint): boolean =>
  enrolledAt !== 0n &&
  atMs + ENROLMENT_SKEW_MS >= enrolledAt * 1000n &&
  (removedAt === 0n || atMs < removedAt * 1000n);

/** What the batch holds so far, on top of what earlier batches hold. */
class Tally {
  readonly #facts: SettleFacts;
  readonly #receiptIds = new Set<Hex>();
  readonly #proofHashes = new Set<Hex>();
  readonly #spentNano = new Map<Hex, bigint>();
  readonly #lines = new Set<string>();
  readonly #jobsWithLine = new Set<Hex>();
  readonly #closed = new Set<Hex>();

  constructor(facts: SettleFacts) {
    this.#facts = facts;
  }

  get receipts(): number {
    return this.#receiptIds.size;
  }

  refusal(event: Candidate): Refusal | null {
    if (this.#closed.has(event.jobId) && event.kind !== "job-opened")
      return refuse("job_closed", "The job was closed before.");
    if (event.kind !== "usage") return null;
    const { receiptId, proofHash, costNano } = event.receipt;
    if (this.#proofHashes.has(proofHash) || this.#facts.knownProofHashes.has(proofHash))
      return refuse("proof_reused", "The proof already backs another receipt.");
    if (this.#receiptIds.has(receiptId) || this.#facts.knownReceiptIds.has(receiptId))
      return refuse("duplicate_receipt", "The call was accepted before, with another proof of it.");
    const maxSpendNano = this.#facts.jobs.get(jobKey(event.gateway, event.jobId))?.lock.maxSpendNano ?? 0n;
    if (this.#spent(event) + costNano > maxSpendNano)
      return refuse("over_lock", "The job's receipts would exceed its lock.");
    return null;
  }

  linesWith(event: Candidate): number {
    const isNew =
      event.kind === "usage"
        ? !this.#lines.has(lineKey(event))
        : event.kind === "job-closed" && !this.#jobsWithLine.has(event.jobId);
    return this.#lines.size + (isNew ? 1 : 0);
  }

  add(event: UsageCandidate): void {
    const { receiptId, proofHash, costNano } = event.receipt;
    this.#receiptIds.add(receiptId);
    this.#proofHashes.add(proofHash);
    this.#spentNano.set(event.jobId, this.#spent(event) + costNano);
    this.#lines.add(lineKey(event));
    this.#jobsWithLine.add(event.jobId);
  }

  close(jobId: Hex): void {
    this.#closed.add(jobId);
    if (!this.#jobsWithLine.has(jobId)) this.#lines.add(`closed ${jobId}`);
    this.#jobsWithLine.add(jobId);
  }

  #spent({ gateway, jobId }: Candidate): bigint {
    return this.#spentNano.get(jobId) ?? this.#facts.jobs.get(jobKey(gateway, jobId))?.settledNano ?? 0n;
  }
}

const lineKey = ({ receipt }: UsageCandidate): string => `${receipt.providerId} ${receipt.jobId}`;
