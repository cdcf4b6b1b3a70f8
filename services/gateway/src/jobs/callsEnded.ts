import type { Pool } from "@tac/kit";
import type { Hex } from "viem";
import { waitFor } from "../call/waitFor.ts";
import { bytesOf } from "../ledger/bytes.ts";

/** Long enough for the charge that follows an answer; who closes a job while calls still run is told so. */
const LONGEST_MS = 1_000;

/** Waits until no call of a job runs, on whatever replica, but not for long. */
export async function callsEnded(pool: Pool, jobId: Hex): Promise<void> {
  await waitFor(LONGEST_MS, async () => {
    const { rowCount } = await pool.query("SELECT FROM running_calls WHERE job_id = $1 LIMIT 1", [
      bytesOf(jobId),
    ]);
    return rowCount === 0 ? true : null;
  });
}
