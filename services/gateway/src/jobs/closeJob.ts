import { Errors, type FeedEvent } from "@tac/protocol";
import type { Hex } from "viem";
import type { FeedWriter } from "../feed/FeedWriter.ts";
import { bytesOf } from "../ledger/bytes.ts";
import type { NowMs } from "../StoreClock.ts";
import { endOf } from "./Job.ts";
import type { JobStore } from "./JobStore.ts";

/**
 * Ends a job: no hold is admitted from here on. Closing a closed job answers as the first time did.
 * Errors: `calls_running`, `capability_revoked`, `capability_expired`, `unknown_job`.
 */
export async function closeJob(
  { feed, jobs, nowMs }: { feed: FeedWriter; jobs: JobStore; nowMs: NowMs },
  body: FeedEvent.JobClosed,
): Promise<{ jobId: Hex; closedAtMs: number }> {
  const jobId = bytesOf(body.jobId);
  const closingAtMs = nowMs();
  let closedAtMs: bigint | null = null;
  await feed.change({ kind: "job-closed", body }, async (transaction) => {
    // Taken by itself first, so that the update sees every call that was admitted before it got the row.
    await transaction.query("SELECT FROM jobs WHERE job_id = $1 FOR NO KEY UPDATE", [jobId]);
    const { rows } = await transaction.query<{ closed_at_ms: bigint }>(
      `UPDATE jobs SET status = 'closed', closed_at_ms = $2
        WHERE job_id = $1 AND status = 'open' AND held_nano = 0 AND revoked_at_ms IS NULL AND $2 < expires_at_ms
          AND NOT EXISTS (SELECT FROM running_calls WHERE job_id = $1)
        RETURNING closed_at_ms`,
      [jobId, closingAtMs],
    );
    closedAtMs = rows[0]?.closed_at_ms ?? null;
    if (closedAtMs !== null) return true;
    const { rows: before } = await transaction.query<{ closed_at_ms: bigint | null }>(
      "SELECT closed_at_ms FROM jobs WHERE job_id = $1",
      [jobId],
    );
    closedAtMs = before[0]?.closed_at_ms ?? null;
    return false;
  });
  if (closedAtMs !== null) return { jobId: body.jobId, closedAtMs: Number(closedAtMs) };
  const state = await jobs.state(body.jobId);
  if (state === null) throw Errors.fromCode("unknown_job");
  const endedBy = endOf(state, closingAtMs);
  if (endedBy !== null) throw Errors.fromCode(endedBy);
  throw Errors.fromCode("calls_running");
}
