import type { Pool } from "@tac/kit";
import type { Hex } from "viem";
import { bytesOf, hexOf } from "./bytes.ts";
import { type HoldOutcome, type HoldRefusal, toRow, type WantedHold } from "./Hold.ts";

type Waiting = { hold: WantedHold; admit: (outcome: HoldOutcome) => void; fail: (error: unknown) => void };

const MAX_BATCH = 128;

/**
 * Takes holds, one statement in flight per job: the first goes at once, those that come meanwhile share the next
 * statement. A hot job then costs one round trip and one commit for many calls, an idle one waits for nothing.
 */
export class HoldBatcher {
  readonly #pool: Pool;
  readonly #waiting = new Map<Hex, Waiting[]>();

  constructor(pool: Pool) {
    this.#pool = pool;
  }

  /** Errors: whatever the store throws; then nothing is held. */
  hold(hold: WantedHold): Promise<HoldOutcome> {
    return new Promise((admit, fail) => {
      const queue = this.#waiting.get(hold.jobId);
      if (queue) {
        queue.push({ hold, admit, fail });
        return;
      }
      this.#waiting.set(hold.jobId, [{ hold, admit, fail }]);
      void this.#drain(hold.jobId);
    });
  }

  async #drain(jobId: Hex): Promise<void> {
    for (;;) {
      const batch = this.#waiting.get(jobId)?.splice(0, MAX_BATCH) ?? [];
      if (batch.length === 0) {
        this.#waiting.delete(jobId);
        return;
      }
      await this.#send(jobId, batch);
    }
  }

  async #send(jobId: Hex, batch: Waiting[]): Promise<void> {
    const heldAtMs = Date.now();
    try {
      const { rows } = await this.#pool.query<{
        out_call_id: Buffer;
        out_outcome: "held" | HoldRefusal;
        out_hold_nano: bigint;
      }>({
        name: "hold_calls",
        text: "SELECT * FROM hold_calls($1, $2, $3)",
        values: [bytesOf(jobId), heldAtMs, JSON.stringify(batch.map(({ hold }) => toRow(hold)))],
      });
      const outcomes = new Map(rows.map((row) => [hexOf(row.out_call_id), row]));
      for (const { hold, admit, fail } of batch) {
        const row = outcomes.get(hold.callId);
        if (row === undefined) fail(new Error("The store gave no outcome for a hold"));
        else if (row.out_outcome === "held")
          admit({ outcome: "held", holdNano: row.out_hold_nano, heldAtMs });
        else admit({ outcome: row.out_outcome });
      }
    } catch (error) {
      for (const { fail } of batch) fail(error);
    }
  }
}
