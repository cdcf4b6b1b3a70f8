import { randomBytes } from "node:crypto";
import { dropDatabase, ensureDatabase } from "../database.ts";
import { startTestPostgres, type TestPostgres } from "./testPostgres.ts";

/** Where the test run's shared server listens: a URL whose path stands for any database. */
export const SHARED_POSTGRES = "TAC_TEST_POSTGRES_URL";

export type TestDatabase = {
  /** URL of an empty database that nothing else uses. */
  url: string;
  /** Creates one more database beside it and gives its URL. */
  createDatabase: (name: string) => Promise<string>;
  /** Ends the connections to these databases and deletes them. */
  stop: () => Promise<void>;
};

/** The server that the whole test run shares; a program that runs on its own starts one. */
const findServer = async (): Promise<TestPostgres> => {
  const shared = process.env[SHARED_POSTGRES];
  if (shared === undefined) return startTestPostgres();
  return {
    urlOf: (database) => Object.assign(new URL(shared), { pathname: `/${database}` }).href,
    stop: async () => undefined,
  };
};

/** Gives an empty database on a real PostgreSQL. A test that stops or kills the server uses `startTestPostgres`. */
export const startTestDatabase = async (): Promise<TestDatabase> => {
  const server = await findServer();
  const prefix = `test_${randomBytes(6).toString("hex")}`;
  const created = new Set<string>();
  const createDatabase = async (name: string): Promise<string> => {
    const url = server.urlOf(`${prefix}_${name}`);
    await ensureDatabase(url);
    created.add(url);
    return url;
  };
  const stop = async (): Promise<void> => {
    for (const url of created) await dropDatabase(url);
    await server.stop();
  };
  return { url: await createDatabase("main"), createDatabase, stop };
};
