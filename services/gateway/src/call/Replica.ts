import { randomUUID } from "node:crypto";
import type { Pool } from "@tac/kit";

const LEASE_MS = 30_000;
const FORGOTTEN_AFTER_MS = 24 * 60 * 60 * 1000;

/**
 * One run of one replica. Its lease tells the others that its calls are being worked on. Leases are written and compared by
 * the store's clock alone, so that no replica whose own clock is wrong takes another for dead.
 */
export class Replica {
  readonly replicaId: string;
  /** Owner of the calls of this run. */
  readonly incarnation: string;
  readonly #pool: Pool;

  constructor(pool: Pool, replicaId: string) {
    this.#pool = pool;
    this.replicaId = replicaId;
    this.incarnation = `${replicaId}:${randomUUID()}`;
  }

  /** Takes or renews the lease; to be called every few seconds. */
  async renew(): Promise<void> {
    await this.#pool.query(
      `INSERT INTO replicas VALUES ($1, $2, store_now_ms() + $3::bigint)
       ON CONFLICT (incarnation) DO UPDATE SET lease_until_ms = excluded.lease_until_ms`,
      [this.incarnation, this.replicaId, LEASE_MS],
    );
  }

  /** Gives the lease back, and forgets replicas that ended long ago. */
  async release(): Promise<void> {
    await this.#pool.query(
      "DELETE FROM replicas WHERE incarnation = $1 OR lease_until_ms < store_now_ms() - $2::bigint",
      [this.incarnation, FORGOTTEN_AFTER_MS],
    );
  }
}
