import type { Pool } from "@tac/kit";
import type { Hex } from "viem";
import { CHARGE_WAIT_MS } from "../call/DeferredCharges.ts";
import { waitFor } from "../call/waitFor.ts";
import { bytesOf } from "../ledger/bytes.ts";

/** Waits until no call of a job runs, on whatever replica, but no longer than for a charge that follows an answer. */
export async function callsEnded(pool: Pool, jobId: Hex): Promise<void> {
  await waitFor(CHARGE_WAIT_MS, async () => {
    const { rowCount } = await pool.query("SELECT FROM running_calls WHERE job_id = $1 LIMIT 1", [
      bytesOf(jobId),
    ]);
    return rowCount === 0 ? true : null;
  });
}
