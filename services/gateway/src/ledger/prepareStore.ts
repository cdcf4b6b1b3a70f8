import { join } from "node:path";
import { createPool, ensureDatabase, ensureLoginRole, migrate, withTransaction } from "@tac/kit";

const migrationsDir = join(import.meta.dirname, "..", "..", "migrations");

export type StoreUrls = {
  /** Of the role that runs the gateway. */
  databaseUrl: string;
  /** Of the role that owns the tables; undefined: there is one role for both. */
  migrationUrl: string | undefined;
};

/**
 * Creates the database when it is missing, migrates it, and gives the running role its rights, which leave it no way to
 * change or remove what is append-only. Safe to run from several replicas. With one role for both its word is all that
 * keeps the ledger, besides the triggers: meant for development.
 */
export async function prepareStore({ databaseUrl, migrationUrl }: StoreUrls): Promise<void> {
  const ownerUrl = migrationUrl ?? databaseUrl;
  await ensureDatabase(ownerUrl);
  const owner = createPool({ url: ownerUrl, max: 1 });
  try {
    await migrate(owner, migrationsDir);
    if (migrationUrl === undefined) return;
    const role = await ensureLoginRole(ownerUrl, databaseUrl);
    const { rows } = await owner.query<{ is_owner: boolean }>("SELECT current_user = $1 AS is_owner", [role]);
    if (rows[0]?.is_owner === true) {
      throw new Error("DATABASE_URL and MIGRATION_DATABASE_URL name the same role");
    }
    await withTransaction(owner, async (transaction) => {
      // Of two that grant at once, PostgreSQL ends one with an error.
      await transaction.query("SELECT pg_advisory_xact_lock(hashtext('grant_runtime'))");
      await transaction.query("SELECT grant_runtime($1)", [role]);
    });
  } finally {
    await owner.end();
  }
}
