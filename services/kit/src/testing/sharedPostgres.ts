import { SHARED_POSTGRES } from "./testDatabase.ts";
import { startTestPostgres } from "./testPostgres.ts";

/** Vitest's global set-up: one PostgreSQL for all test files, since starting it takes longer than most of them. */
export default async (): Promise<() => Promise<void>> => {
  const server = await startTestPostgres();
  process.env[SHARED_POSTGRES] = server.urlOf("postgres");
  return server.stop;
};
