import { createHash } from "node:crypto";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { type Layout, repositoryDir } from "./layout.ts";
import type { Command, Part } from "./processes.ts";

export const postgresCredentials = { user: "credits", password: "credits" } as const;

/** PostgreSQL refuses to run as root, and its own user cannot enter root's home: root's data go to the temporary folder. */
export const postgresDataDir = (layout: Layout): string =>
  process.getuid?.() === 0
    ? join(
        tmpdir(),
        `tokenised-api-credits-postgres-${createHash("sha256").update(layout.dir).digest("hex").slice(0, 12)}`,
      )
    : layout.postgresDir;

export const postgresCommand = (layout: Layout): Command => ({
  name: "postgres",
  command: process.execPath,
  args: [
    "--import",
    "tsx",
    join(import.meta.dirname, "postgresServer.ts"),
    postgresDataDir(layout),
    String(layout.ports.postgres),
  ],
  env: {},
  cwd: repositoryDir,
  logFile: join(layout.logsDir, "postgres.log"),
});

export const databaseUrl = (layout: Layout, name: string): string =>
  `postgres://${postgresCredentials.user}:${postgresCredentials.password}@127.0.0.1:${layout.ports.postgres}/${name}`;

/** The gateway runs as a role that can append to its ledger and change nothing in it; it creates that role itself. */
export const gatewayDatabaseUrl = (layout: Layout): string =>
  Object.assign(new URL(databaseUrl(layout, "gateway")), { username: "gateway", password: "gateway" }).href;

/** The same database over the server's Unix socket, which PostgreSQL keeps in /tmp unless told otherwise. */
export const overUnixSocket = (url: string): string =>
  Object.assign(new URL(url), { search: "?host=/tmp" }).href;

const connect = async (layout: Layout): Promise<pg.Client | null> => {
  const client = new pg.Client({ connectionString: databaseUrl(layout, "postgres") });
  try {
    await client.connect();
    return client;
  } catch {
    await client.end().catch(() => undefined);
    return null;
  }
};

/** Waits until the server takes connections, and gives one. */
const awaitConnection = async (layout: Layout, part: Part): Promise<pg.Client> => {
  for (const deadline = Date.now() + 60_000; ; await sleep(50)) {
    const client = await connect(layout);
    if (client !== null) return client;
    if (part.hasExited()) throw new Error(`PostgreSQL ended (${await part.exited}); see ${part.logFile}`);
    if (Date.now() > deadline) throw new Error(`PostgreSQL did not start within 60 s; see ${part.logFile}`);
  }
};

export const awaitPostgres = async (layout: Layout, part: Part): Promise<void> => {
  await (await awaitConnection(layout, part)).end();
};

/** Waits until the server takes connections, and makes the databases that are missing. */
export const ensureDatabases = async (
  layout: Layout,
  part: Part,
  names: readonly string[],
): Promise<void> => {
  const client = await awaitConnection(layout, part);
  try {
    for (const name of names) {
      const { rowCount } = await client.query("SELECT 1 FROM pg_database WHERE datname = $1", [name]);
      if (rowCount === 0) await client.query(`CREATE DATABASE ${client.escapeIdentifier(name)}`);
    }
  } finally {
    await client.end();
  }
};
