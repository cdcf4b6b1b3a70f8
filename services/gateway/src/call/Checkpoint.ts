import type { Logger, Pool } from "@tac/kit";
import { Pricing } from "@tac/protocol";
import type { Hex } from "viem";
import { bytesOf } from "../ledger/bytes.ts";

export type Progress = { units: Pricing.Units; responseHash: Hex };

const INTERVAL_MS = 500;

/**
 * Stores how much of a stream was delivered, at its start and twice a second, without holding it up. After a crash
 * that is what the call is charged for, so at most half a second of a stream goes unpaid.
 */
export class Checkpoint {
  readonly #pool: Pool;
  readonly #logger: Logger;
  readonly #callId: Hex;
  #storedAtMs = 0;
  #running: Promise<void> | null = null;

  constructor({ pool, logger }: { pool: Pool; logger: Logger }, callId: Hex) {
    this.#pool = pool;
    this.#logger = logger;
    this.#callId = callId;
  }

  note(progress: () => Progress): void {
    if (this.#running !== null || Date.now() - this.#storedAtMs < INTERVAL_MS) return;
    this.#storedAtMs = Date.now();
    this.#running = this.#store(progress()).finally(() => {
      this.#running = null;
    });
  }

  async settle(): Promise<void> {
    await this.#running;
  }

  async #store({ units, responseHash }: Progress): Promise<void> {
    try {
      await this.#pool.query(
        `UPDATE calls SET state = 'delivered', metered_units = $2, response_hash = $3
          WHERE call_id = $1 AND state IN ('held', 'delivered')`,
        [bytesOf(this.#callId), JSON.stringify(Pricing.unitsToJson(units)), bytesOf(responseHash)],
      );
    } catch (error) {
      // The stream goes on: the charge at its end does not need the checkpoint.
      this.#logger.warn({ err: error, receiptId: this.#callId }, "a checkpoint was not stored");
    }
  }
}
