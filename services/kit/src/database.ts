import { runner } from "node-pg-migrate";
import pg from "pg";

export type Pool = pg.Pool;
export type Transaction = pg.PoolClient;

const int8Oid = 20;
const int8ArrayOid = 1016;

/** How much longer than a statement may run its answer is waited for. */
const SILENCE_MS = 1_000;

/**
 * A new connection costs the server a process, and that process each statement's plan anew: tens of milliseconds of a
 * processor, in front of the first calls after every pause if pauses ended connections.
 */
const IDLE_MS = 600_000;
/** From when on an idle connection is probed, so that nothing on the way forgets it or hides that it is gone. */
const PROBE_AFTER_MS = 30_000;

const parseType = (oid: number, format?: "text" | "binary") => {
  const parse = pg.types.getTypeParser(oid, format ?? "text");
  if (format === "binary") return parse;
  if (oid === int8Oid) return BigInt;
  if (oid !== int8ArrayOid) return parse;
  return (text: string): (bigint | null)[] =>
    (parse(text) as (string | null)[]).map((item) => (item === null ? null : BigInt(item)));
};

/**
 * A connection pool whose `bigint` columns are JavaScript `bigint`s. Connecting and every statement have a deadline, the
 * server's own and, for a server that has fallen silent, one on this side a second later. A connection stays open for ten
 * minutes after its last use; one lost while idle is reported to `onIdleError` and replaced on the next use.
 */
export const createPool = ({
  url,
  max = 10,
  statementTimeoutMs = 30_000,
  connectTimeoutMs = 5_000,
  onIdleError,
}: {
  url: string;
  max?: number;
  statementTimeoutMs?: number;
  connectTimeoutMs?: number;
  onIdleError?: (error: Error) => void;
}): Pool => {
  const pool = new pg.Pool({
    connectionString: url,
    max,
    connectionTimeoutMillis: connectTimeoutMs,
    statement_timeout: statementTimeoutMs,
    query_timeout: statementTimeoutMs + SILENCE_MS,
    idleTimeoutMillis: IDLE_MS,
    keepAlive: true,
    keepAliveInitialDelayMillis: PROBE_AFTER_MS,
    types: { getTypeParser: parseType },
  });
  pool.on("error", (error) => onIdleError?.(error));
  return pool;
};

/**
 * Runs `work` in one transaction on one connection: committed when it resolves, rolled back when it throws.
 * A connection that cannot even roll back is destroyed, so that no half-open transaction returns to the pool.
 */
export const withTransaction = async <Result>(
  pool: Pool,
  work: (transaction: Transaction) => Promise<Result>,
): Promise<Result> => {
  const connection = await pool.connect();
  let broken: Error | undefined;
  // Without a listener a connection that the server ends while checked out would end the process.
  const onLost = (error: Error): void => {
    broken = error;
  };
  connection.on("error", onLost);
  try {
    await connection.query("BEGIN");
    const result = await work(connection);
    await connection.query("COMMIT");
    return result;
  } catch (error) {
    await connection.query("ROLLBACK").catch(onLost);
    throw error;
  } finally {
    connection.off("error", onLost);
    connection.release(broken);
  }
};

/**
 * Runs one statement; `onNotice` hears the code of each notice that the statement raises, when it raises it: before the
 * statement has ended, and before what it did is committed. Errors: as `pool.query`; then the connection is destroyed.
 */
export const queryWithNotices = async <Row extends pg.QueryResultRow>(
  pool: Pool,
  statement: pg.QueryConfig,
  onNotice: (code: string) => void,
): Promise<pg.QueryResult<Row>> => {
  const connection = await pool.connect();
  let broken: Error | undefined;
  const onLost = (error: Error): void => {
    broken = error;
  };
  const listen = ({ code }: { code: string | undefined }): void => onNotice(code ?? "");
  connection.on("error", onLost);
  connection.on("notice", listen);
  try {
    return await connection.query<Row>(statement);
  } catch (error) {
    broken = error instanceof Error ? error : new Error("The statement failed", { cause: error });
    throw error;
  } finally {
    connection.off("notice", listen);
    connection.off("error", onLost);
    connection.release(broken);
  }
};

/** Creates the database a URL names when the server has none of that name. Safe to call from several processes. */
export const ensureDatabase = async (url: string): Promise<void> => {
  await onServerOf(url, async (client, name) => {
    try {
      const { rowCount } = await client.query("SELECT FROM pg_database WHERE datname = $1", [name]);
      if (rowCount === 0) await client.query(`CREATE DATABASE ${client.escapeIdentifier(name)}`);
    } catch (error) {
      const wonByAnother = error instanceof pg.DatabaseError && ["42P04", "23505"].includes(error.code ?? "");
      if (!wonByAnother) throw error;
    }
  });
};

/** Ends every connection to the URL's database and deletes it with all it holds; nothing happens if it does not exist. */
export const dropDatabase = async (url: string): Promise<void> => {
  await onServerOf(url, async (client, name) => {
    await client.query(`DROP DATABASE IF EXISTS ${client.escapeIdentifier(name)} WITH (FORCE)`);
  });
};

/** Runs `work` on the maintenance database of the server that `url` names, with the name of the URL's own database. */
const onServerOf = async (
  url: string,
  work: (client: pg.Client, name: string) => Promise<void>,
): Promise<void> => {
  const target = new URL(url);
  const name = decodeURIComponent(target.pathname.slice(1));
  if (name === "") throw new Error("The database URL names no database; end it with /name");
  target.pathname = "/postgres";
  const client = new pg.Client({ connectionString: target.href, connectionTimeoutMillis: 5_000 });
  await client.connect();
  try {
    await work(client, name);
  } finally {
    await client.end();
  }
};

/**
 * Creates the login role that a URL names, with its password, when the server has none of that name; gives the name.
 * `ownerUrl` is of a role that may create roles. The new role has no right but to connect.
 */
export const ensureLoginRole = async (ownerUrl: string, url: string): Promise<string> => {
  const { username, password } = new URL(url);
  const name = decodeURIComponent(username);
  if (name === "") throw new Error("The database URL names no role; begin it with postgres://role:password@");
  const client = new pg.Client({
    connectionString: ownerUrl,
    connectionTimeoutMillis: 5_000,
    query_timeout: 10_000,
  });
  await client.connect();
  try {
    const { rowCount } = await client.query("SELECT FROM pg_roles WHERE rolname = $1", [name]);
    if (rowCount === 0) {
      const secret = client.escapeLiteral(decodeURIComponent(password));
      await client.query(`CREATE ROLE ${client.escapeIdentifier(name)} LOGIN PASSWORD ${secret}`);
    }
    return name;
  } catch (error) {
    const wonByAnother = error instanceof pg.DatabaseError && ["42710", "23505"].includes(error.code ?? "");
    if (!wonByAnother) throw error;
    return name;
  } finally {
    await client.end();
  }
};

/**
 * Applies the numbered SQL files of `dir` (`0001_name.sql`, ...) that are not applied yet, all or none,
 * under an advisory lock, so that replicas may start together.
 *
 * @returns the names of the files applied now.
 */
export const migrate = async (database: Pool | string, dir: string): Promise<string[]> => {
  const pool = typeof database === "string" ? createPool({ url: database, max: 1 }) : database;
  const connection = await pool.connect();
  let broken: Error | undefined;
  const onLost = (error: Error): void => {
    broken = error;
  };
  connection.on("error", onLost);
  try {
    const applied = await runner({
      dbClient: connection,
      dir,
      direction: "up",
      migrationsTable: "migrations",
      checkOrder: true,
      singleTransaction: true,
      advisoryLockMode: "wait",
      log: () => undefined,
    });
    return applied.map(({ name }) => name);
  } finally {
    connection.off("error", onLost);
    connection.release(broken);
    if (pool !== database) await pool.end();
  }
};

const connectionCodes = new Set(["ECONNREFUSED", "ECONNRESET", "EPIPE", "ETIMEDOUT", "ENOTFOUND"]);
const connectionMessages =
  /^(Query read timeout|Connection terminated|timeout exceeded when trying to connect|Client has encountered a connection error)/;

/** True when PostgreSQL cannot be reached or refuses work (classes 08, 53, 57), false when it rejected the statement. */
export const isStoreUnavailable = (error: unknown): boolean => {
  if (error instanceof AggregateError) return error.errors.some(isStoreUnavailable);
  if (error instanceof pg.DatabaseError) return /^(08|53|57)/.test(error.code ?? "");
  if (!(error instanceof Error)) return false;
  if (connectionMessages.test(error.message)) return true;
  if (!("code" in error)) return false;
  // A server that is down has no Unix socket: the file of that name is gone.
  const isSocketGone = error.code === "ENOENT" && "syscall" in error && error.syscall === "connect";
  return isSocketGone || connectionCodes.has(String(error.code));
};
