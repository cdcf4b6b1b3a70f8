import type { Pool } from "@tac/kit";
import type pg from "pg";

const SHUT = 15;
const FAILING = 16;

/**
 * Stands between holds and their commits, where the store says that they are taken and has not written them yet: lets
 * commits wait, or fail as on a full disk.
 */
export class CommitGate {
  readonly #client: pg.PoolClient;

  private constructor(client: pg.PoolClient) {
    this.#client = client;
  }

  /** `pool`: of the tables' owner. */
  static async build(pool: Pool): Promise<CommitGate> {
    await pool.query(`
      CREATE FUNCTION pass_commit_gate() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN
        PERFORM pg_advisory_xact_lock_shared(${SHUT});
        IF NOT pg_try_advisory_xact_lock_shared(${FAILING}) THEN
          RAISE EXCEPTION 'no space left on device' USING ERRCODE = '53100';
        END IF;
        RETURN NULL;
      END $$;
      CREATE CONSTRAINT TRIGGER commit_gate AFTER INSERT ON calls DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION pass_commit_gate()`);
    return new CommitGate(await pool.connect());
  }

  async shut(): Promise<void> {
    await this.#client.query(`SELECT pg_advisory_lock(${SHUT})`);
  }

  /** From now on commits fail when the gate opens. */
  async fail(): Promise<void> {
    await this.#client.query(`SELECT pg_advisory_lock(${FAILING})`);
  }

  /** Ends the server's processes that wait at the gate, and their transactions with them. */
  async killWaiting(): Promise<void> {
    await this.#client.query(
      "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted",
    );
  }

  async open(): Promise<void> {
    await this.#client.query(`SELECT pg_advisory_unlock(${SHUT})`);
  }

  /** Open, and nothing fails. */
  async reset(): Promise<void> {
    await this.#client.query("SELECT pg_advisory_unlock_all()");
  }

  remove(): void {
    this.#client.release();
  }
}
