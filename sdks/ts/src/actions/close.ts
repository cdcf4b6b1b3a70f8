import { Wire } from "@tac/protocol";
import type { Hex } from "viem";
import { z } from "zod";
import type { ClientCore } from "../ClientCore.ts";
import { callJson, integer } from "../call/callJson.ts";
import { CallError } from "../call/errors.ts";
import { type RetryOptions, retryWhile } from "../call/retryPolicy.ts";
import type { Job } from "../job/Job.ts";

export type ClosedJob = { jobId: Hex; closedAtMs: bigint };
export type CloseOptions = { signal?: AbortSignal };

const answer = z.object({ jobId: Wire.bytes32, closedAtMs: integer });

/** A call that was hung up on is still being charged for a moment, and a job closes only when none is. */
const RUNNING_CALLS_RETRIES: RetryOptions = { maxRetries: 10, baseDelayMs: 50, maxDelayMs: 1_000 };

/**
 * Ends a job: no call is accepted any more, and its last settlement releases what was not spent. Waits a few
 * seconds for running calls; throws `invalid_request` when they go on. Closing twice is harmless.
 */
export async function close(core: ClientCore, job: Job, options: CloseOptions = {}): Promise<ClosedJob> {
  const { signal } = options;
  await core.sessions.refresh(job);
  const isTooEarly = (error: Error) => error instanceof CallError && error.code === "invalid_request";
  return retryWhile(isTooEarly, () => closeOnce(core, job, signal), RUNNING_CALLS_RETRIES, signal);
}

function closeOnce(core: ClientCore, job: Job, signal: AbortSignal | undefined): Promise<ClosedJob> {
  return callJson(
    core.callGateway,
    { method: "POST", path: "/v1/jobs/close", json: {}, prover: core.sessions.prover(job), signal },
    answer,
  );
}
