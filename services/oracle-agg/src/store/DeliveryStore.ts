import type { Pool } from "@tac/kit";
import type { Address, Hex } from "viem";

export type Delivery = {
  batchNumber: bigint;
  batchHash: Hex;
  transactionHash: Hex;
  gateway: Address;
  attempts: number;
  receiptIds: Hex[];
};

/** What gateways are still to be told about committed batches. */
export class DeliveryStore {
  readonly #pool: Pool;

  constructor(pool: Pool) {
    this.#pool = pool;
  }

  /** Deliveries that are due, oldest batch first. */
  async due(nowMs: bigint, limit: number): Promise<Delivery[]> {
    const { rows } = await this.#pool.query<Delivery>(
      `SELECT d.batch_number AS "batchNumber", b.batch_hash AS "batchHash", b.transaction_hash AS "transactionHash",
              d.gateway, d.attempts,
              ARRAY(SELECT r.receipt_id FROM receipts r
                     WHERE r.batch_number = d.batch_number AND r.gateway = d.gateway
                     ORDER BY r.leaf_index) AS "receiptIds"
         FROM deliveries d JOIN committed_batches b USING (batch_number)
        WHERE d.delivered_at_ms IS NULL AND d.next_attempt_at_ms <= $1
        ORDER BY d.batch_number LIMIT $2`,
      [nowMs, limit],
    );
    return rows;
  }

  async delivered({ batchNumber, gateway }: Delivery, nowMs: bigint): Promise<void> {
    await this.#pool.query(
      "UPDATE deliveries SET delivered_at_ms = $3, last_error = NULL WHERE batch_number = $1 AND gateway = $2",
      [batchNumber, gateway, nowMs],
    );
  }

  async failed({ batchNumber, gateway }: Delivery, error: string, nextAttemptAtMs: bigint): Promise<void> {
    await this.#pool.query(
      `UPDATE deliveries SET attempts = attempts + 1, last_error = $3, next_attempt_at_ms = $4
        WHERE batch_number = $1 AND gateway = $2`,
      [batchNumber, gateway, error, nextAttemptAtMs],
    );
  }

  async pendingCount(): Promise<number> {
    const { rows } = await this.#pool.query<{ pending: bigint }>(
      "SELECT count(*) AS pending FROM deliveries WHERE delivered_at_ms IS NULL",
    );
    return Number(rows[0]?.pending ?? 0n);
  }
}
