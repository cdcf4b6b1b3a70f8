import { type Deployment, FeedEvent, type Tariff, type UsageReceipt } from "@tac/protocol";
import type { Address, Hex } from "viem";
import type { Job } from "../rules/Job.ts";
import type { SettledReceipt } from "../rules/settle.ts";
import type { TokenCache } from "../rules/TokenCache.ts";
import { jobIdOf, tariffNeeded, type Validated, validateEvent } from "../rules/validateEvent.ts";

/** What the events of one gateway are judged by. Jobs and tariffs never change once they are known. */
export type Grounds = {
  /** By job id. A job counts for the events behind the one that opened it. */
  jobs: ReadonlyMap<string, Job>;
  /** By hash; each that a job's quote names and an event refers to. */
  tariffs: ReadonlyMap<string, Tariff.Tariff>;
  domains: Deployment.Domains;
  tariffSigners: ReadonlySet<Address>;
  origins: ReadonlySet<string> | null;
};

/** One event as it was judged: its place in the chain, what batches are built from, and the verdict. */
export type Examined = FeedEvent.Link & {
  recordedAtMs: bigint;
  kind: FeedEvent.FeedEvent["kind"];
  jobId: Hex;
  /** Null unless the event is of usage. */
  receipt: SettledReceipt | null;
  verdict: Validated;
};

/**
 * Reads, hashes and judges the text of one event. Whether it follows the event before is for the caller to check, with
 * `FeedEvent.verifyLinks`. Throws `invalid_request` for what is no event.
 */
export const examine = (text: string, grounds: Grounds, tokens: TokenCache): Examined => {
  const { event, isHashed } = FeedEvent.receive(text);
  const jobId = jobIdOf(event);
  const known = grounds.jobs.get(jobId);
  const job = known !== undefined && known.openedSeq < event.seq ? known : null;
  const tariff = grounds.tariffs.get(tariffNeeded(event, job) ?? "") ?? null;
  const { domains, tariffSigners, origins } = grounds;
  const { gateway, seq, hash, previousHash, recordedAtMs, kind } = event;
  return {
    gateway,
    seq,
    hash,
    previousHash,
    isHashed,
    recordedAtMs,
    kind,
    jobId,
    receipt: event.kind === "usage" ? settledReceipt(event.body.receipt) : null,
    // An event that is not what its hash says ends its whole page, and is not worth a signature's check.
    verdict: isHashed
      ? validateEvent(event, { domains, tariffSigners, job, tariff, origins, tokens })
      : { ok: true, leaf: null, reportSigner: null },
  };
};

const settledReceipt = (receipt: UsageReceipt.UsageReceipt): SettledReceipt => ({
  receiptId: receipt.receiptId,
  jobId: receipt.jobId,
  proofHash: receipt.proofHash,
  tariffHash: receipt.tariffHash,
  providerId: receipt.providerId,
  costNano: receipt.costNano,
  occurredAtMs: receipt.occurredAtMs,
  countersigned: receipt.countersigned,
});
