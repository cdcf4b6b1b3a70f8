import { randomUUID } from "node:crypto";
import type { Pool } from "@tac/kit";

const LEASE_MS = 30_000;

/** One run of one replica. Its lease tells the others that its calls are being worked on. */
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
      `INSERT INTO replicas VALUES ($1, $2, $3)
       ON CONFLICT (incarnation) DO UPDATE SET lease_until_ms = excluded.lease_until_ms`,
      [this.incarnation, this.replicaId, Date.now() + LEASE_MS],
    );
  }

  /** Gives the lease back, and forgets replicas that ended long ago. */
  async release(): Promise<void> {
    await this.#pool.query("DELETE FROM replicas WHERE incarnation = $1 OR lease_until_ms < $2", [
      this.incarnation,
      Date.now() - 24 * 60 * 60 * 1000,
    ]);
  }
}
