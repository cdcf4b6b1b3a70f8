import { setTimeout as sleep } from "node:timers/promises";
import { Nano, ProtocolError, Wire } from "@tac/protocol";
import type { Hex } from "viem";
import { z } from "zod";
import type { ClientCore } from "../ClientCore.ts";
import { callJson, integer } from "../call/callJson.ts";
import type { Job } from "../job/Job.ts";

/** One batch that settled calls of the job. */
export type JobSettlement = {
  batchNumber: bigint;
  /** EIP-712 digest of the batch header. */
  batchHash: Hex;
  transactionHash: Hex;
  blockNumber: bigint;
};

export type JobStatus = {
  jobId: Hex;
  status: "open" | "closed" | "settled";
  lockedNano: bigint;
  heldNano: bigint;
  spentNano: bigint;
  /** Number of receipts. */
  receipts: bigint;
  settlements: JobSettlement[];
};

export type SettlementOptions = {
  signal?: AbortSignal;
  /** Two minutes unless given. */
  timeoutMs?: number;
  onProgress?: (status: JobStatus) => void;
};

const statusSchema: z.ZodType<JobStatus> = z.object({
  jobId: Wire.bytes32,
  status: z.enum(["open", "closed", "settled"]),
  lockedNano: Nano.schema,
  heldNano: Nano.schema,
  spentNano: Nano.schema,
  receipts: integer,
  settlements: z.array(
    z.object({
      batchNumber: integer,
      batchHash: Wire.bytes32,
      transactionHash: Wire.bytes32,
      blockNumber: integer,
    }),
  ),
});

const DEFAULT_TIMEOUT_MS = 120_000;
const FIRST_POLL_MS = 200;
const SLOWEST_POLL_MS = 2_000;

/** What the gateway knows of a job now. */
export function jobStatus(core: ClientCore, job: Job, signal?: AbortSignal): Promise<JobStatus> {
  return callJson(
    core.callGateway,
    { method: "GET", path: `/v1/jobs/${job.jobId}`, prover: core.sessions.prover(job), signal },
    statusSchema,
  );
}

/**
 * Waits until every receipt of a closed job is settled on chain, and gives the batches with their transaction
 * hashes. Throws `not_settled` after `timeoutMs`; the settlement goes on, so asking again is fine.
 */
export async function settlement(
  core: ClientCore,
  job: Job,
  options: SettlementOptions = {},
): Promise<JobStatus> {
  const { signal, onProgress, timeoutMs = DEFAULT_TIMEOUT_MS } = options;
  const deadlineMs = Date.now() + timeoutMs;
  for (let pollMs = FIRST_POLL_MS; ; pollMs = Math.min(SLOWEST_POLL_MS, pollMs * 1.5)) {
    const status = await jobStatus(core, job, signal);
    onProgress?.(status);
    if (status.status === "settled") return status;
    if (Date.now() + pollMs > deadlineMs) {
      const reason = status.status === "open" ? " The job is still open: close it first." : "";
      throw new ProtocolError("not_settled", {
        detail: `The job was not settled within ${timeoutMs} ms.${reason}`,
      });
    }
    await sleep(pollMs, undefined, signal ? { signal } : {});
  }
}
