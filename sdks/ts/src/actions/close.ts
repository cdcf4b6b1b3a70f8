import { Wire } from "@tac/protocol";
import type { Hex } from "viem";
import { z } from "zod";
import type { ClientCore } from "../ClientCore.ts";
import { callJson, integer } from "../call/callJson.ts";
import type { RetryOptions } from "../call/retryPolicy.ts";
import type { Job } from "../job/Job.ts";

export type ClosedJob = { jobId: Hex; closedAtMs: bigint };
export type CloseOptions = { signal?: AbortSignal };

const answer = z.object({ jobId: Wire.bytes32, closedAtMs: integer });

/** A call that was hung up on is still being charged for a moment, and a job closes only when none is. */
const RETRY: Partial<RetryOptions> = { maxRetries: 10 };

/**
 * Ends a job: no call is accepted any more, and its last settlement releases what was not spent. Waits some
 * seconds for running calls; throws `calls_running` when they go on. Closing twice is harmless.
 */
export async function close(core: ClientCore, job: Job, { signal }: CloseOptions = {}): Promise<ClosedJob> {
  return callJson(
    core.callGateway,
    {
      method: "POST",
      path: "/v1/jobs/close",
      json: {},
      prover: core.sessions.prover(job),
      retry: RETRY,
      signal,
    },
    answer,
  );
}
