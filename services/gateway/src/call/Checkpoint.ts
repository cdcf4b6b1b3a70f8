import type { Logger, Pool } from "@tac/kit";
import { Pricing } from "@tac/protocol";
import type { Hex } from "viem";
import { bytesOf } from "../ledger/bytes.ts";
import type { AdmittedCall } from "./AdmittedCall.ts";

type CheckpointedCall = Pick<AdmittedCall, "callId" | "receiptId" | "proof" | "usageAuthToken">;

export type Progress = { units: Pricing.Units; responseHash: Hex };

const INTERVAL_MS = 500;

/**
 * Stores how much of a stream was delivered, at its start and twice a second, without holding it up. After a crash
 * that is what the call is charged for, so at most half a second of a stream goes unpaid. Only such a charge needs the
 * caller's proof out of the store, so that is kept here and not with the hold.
 */
export class Checkpoint {
  readonly #pool: Pool;
  readonly #logger: Logger;
  readonly #call: CheckpointedCall;
  #storedAtMs = Number.NEGATIVE_INFINITY;
  #running: Promise<void> | null = null;

  constructor({ pool, logger }: { pool: Pool; logger: Logger }, call: CheckpointedCall) {
    this.#pool = pool;
    this.#logger = logger;
    this.#call = call;
  }

  note(progress: () => Progress): void {
    if (this.#running !== null || performance.now() - this.#storedAtMs < INTERVAL_MS) return;
    this.#storedAtMs = performance.now();
    this.#running = this.#store(progress()).finally(() => {
      this.#running = null;
    });
  }

  async settle(): Promise<void> {
    await this.#running;
  }

  async #store({ units, responseHash }: Progress): Promise<void> {
    const { callId, receiptId, proof, usageAuthToken } = this.#call;
    try {
      await this.#pool.query(
        `UPDATE calls SET state = 'delivered', metered_units = $2, response_hash = $3, proof = $4, usage_auth = $5
          WHERE call_id = $1 AND state IN ('held', 'delivered')`,
        [
          bytesOf(callId),
          JSON.stringify(Pricing.unitsToJson(units)),
          bytesOf(responseHash),
          proof,
          usageAuthToken,
        ],
      );
    } catch (error) {
      // The stream goes on: the charge at its end does not need the checkpoint.
      this.#logger.warn({ err: error, receiptId }, "a checkpoint was not stored");
    }
  }
}
