import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { connect, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import {
  createPool,
  dropDatabase,
  ensureDatabase,
  ensureLoginRole,
  isStoreUnavailable,
  migrate,
  type Pool,
  withTransaction,
} from "./database.ts";
import { freePort, startTestDatabase, type TestDatabase } from "./testing/index.ts";

let database: TestDatabase;
let pool: Pool;
beforeAll(async () => {
  database = await startTestDatabase();
  pool = createPool({ url: database.url });
  await pool.query("CREATE TABLE accounts (id bigint PRIMARY KEY, amount_nano bigint NOT NULL)");
});
afterAll(async () => {
  await pool?.end();
  await database?.stop();
});

describe("createPool", () => {
  test("reads bigint columns as bigint, beyond what a float holds", async () => {
    const { rows } = await pool.query(
      "SELECT 9223372036854775807::bigint AS one, ARRAY[1, NULL, 9007199254740993]::bigint[] AS many, 7::int AS small",
    );
    expect(rows).toEqual([{ one: 9223372036854775807n, many: [1n, null, 9007199254740993n], small: 7 }]);
  });

  test("stores text as UTF-8", async () => {
    expect((await pool.query("SELECT $1::text AS text", ["zażółć 🦆"])).rows).toEqual([
      { text: "zażółć 🦆" },
    ]);
  });

  test("keeps its connections through a pause", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    try {
      const backend = async () =>
        (await pool.query<{ pid: number }>("SELECT pg_backend_pid() AS pid")).rows[0]?.pid;
      const before = await backend();
      vi.advanceTimersByTime(300_000);
      expect(await backend()).toBe(before);
    } finally {
      vi.useRealTimers();
    }
  });

  test("ends a statement that takes too long", async () => {
    const hasty = createPool({ url: database.url, statementTimeoutMs: 50 });
    await expect(hasty.query("SELECT pg_sleep(5)")).rejects.toMatchObject({ code: "57014" });
    await hasty.end();
  });

  test("says that the store is unavailable, apart from a rejected statement", async () => {
    const port = await freePort();
    for (const url of [
      `postgres://a:b@127.0.0.1:${port}/none`,
      `postgres://a:b@localhost:${port}/none?host=/tmp`,
    ]) {
      const nowhere = createPool({ url });
      const unreachable = await nowhere.query("SELECT 1").catch((error: unknown) => error);
      expect(isStoreUnavailable(unreachable), url).toBe(true);
      await nowhere.end();
    }
    const rejected = await pool.query("SELECT * FROM nothing").catch((error: unknown) => error);
    expect(rejected).toBeInstanceOf(Error);
    expect(isStoreUnavailable(rejected)).toBe(false);
  });
});

describe("withTransaction", () => {
  test("commits what resolves", async () => {
    const amount = await withTransaction(pool, async (transaction) => {
      await transaction.query("INSERT INTO accounts VALUES (1, 500)");
      return (await transaction.query("SELECT amount_nano FROM accounts WHERE id = 1")).rows[0].amount_nano;
    });
    expect(amount).toBe(500n);
    expect((await pool.query("SELECT FROM accounts WHERE id = 1")).rowCount).toBe(1);
  });

  test("rolls back what throws and hands the error on", async () => {
    const failing = withTransaction(pool, async (transaction) => {
      await transaction.query("INSERT INTO accounts VALUES (2, 500)");
      throw new Error("second thoughts");
    });
    await expect(failing).rejects.toThrow("second thoughts");
    expect((await pool.query("SELECT FROM accounts WHERE id = 2")).rowCount).toBe(0);
  });

  test("does not return a dead connection to the pool", async () => {
    const single = createPool({ url: database.url, max: 1 });
    const failing = withTransaction(single, async (transaction) => {
      await transaction.query("SELECT pg_terminate_backend(pg_backend_pid())");
    });
    await expect(failing).rejects.toSatisfy(isStoreUnavailable);
    expect((await single.query("SELECT 1 AS one")).rows).toEqual([{ one: 1 }]);
    await single.end();
  });
});

test("ensureDatabase creates it once, also when several processes start together; dropDatabase deletes it", async () => {
  const name = `Odd name ${randomUUID()}`;
  const url = Object.assign(new URL(database.url), { pathname: `/${name}` }).href;
  await Promise.all([ensureDatabase(url), ensureDatabase(url), ensureDatabase(url)]);
  const odd = createPool({ url });
  expect((await odd.query("SELECT current_database() AS name")).rows).toEqual([{ name }]);
  await odd.end();
  await dropDatabase(url);
  await dropDatabase(url);
  const gone = createPool({ url });
  await expect(gone.query("SELECT 1")).rejects.toMatchObject({ code: "3D000" });
  await gone.end();
});

describe("migrate", () => {
  let dir: string;
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), "tac-migrations-"));
    await writeFile(join(dir, "0001_jobs.sql"), "CREATE TABLE jobs (id bigint PRIMARY KEY);");
    await writeFile(
      join(dir, "0002_job_names.sql"),
      "ALTER TABLE jobs ADD COLUMN name text NOT NULL DEFAULT 'x';",
    );
  });
  afterAll(() => rm(dir, { recursive: true }));

  test("applies the numbered files in order, once, from replicas that start together", async () => {
    const url = await database.createDatabase("migrated");
    const migrating = createPool({ url });
    const applied = await Promise.all([migrate(url, dir), migrate(migrating, dir)]);
    expect(applied.flat()).toEqual(["0001_jobs", "0002_job_names"]);
    await writeFile(join(dir, "0003_index.sql"), "CREATE INDEX jobs_name ON jobs (name);");
    expect(await migrate(url, dir)).toEqual(["0003_index"]);
    expect((await migrating.query("SELECT name FROM jobs")).rowCount).toBe(0);
    await migrating.end();
  });

  test("applies nothing when one file fails", async () => {
    const broken = await mkdtemp(join(tmpdir(), "tac-migrations-"));
    await writeFile(join(broken, "0001_good.sql"), "CREATE TABLE good (id bigint);");
    await writeFile(join(broken, "0002_bad.sql"), "CREATE TABLE;");
    const url = await database.createDatabase("broken");
    await expect(migrate(url, broken)).rejects.toThrow("syntax error");
    const after = createPool({ url });
    await expect(after.query("SELECT FROM good")).rejects.toThrow("does not exist");
    await after.end();
    await rm(broken, { recursive: true });
  });
});

describe("a server that falls silent", () => {
  test("is given up by a deadline of this side, and counts as away", async () => {
    const store = new URL(database.url);
    const storePort = Number(store.port);
    const sockets: Socket[] = [];
    let isSilent = false;
    const proxy = createServer((client) => {
      const server = connect(storePort, store.hostname);
      sockets.push(client, server);
      client.on("error", () => server.destroy()).on("data", (bytes) => server.write(bytes));
      server.on("error", () => client.destroy()).on("data", (bytes) => isSilent || client.write(bytes));
    });
    store.port = String(await listen(proxy));
    const slow = createPool({ url: store.href, max: 1, statementTimeoutMs: 50 });
    expect((await slow.query("SELECT 1 AS one")).rows).toEqual([{ one: 1 }]);
    isSilent = true;
    const failure: unknown = await slow.query("SELECT 1").catch((error: unknown) => error);
    expect(isStoreUnavailable(failure), String(failure)).toBe(true);

    // The silent connection is not used again.
    isSilent = false;
    expect((await slow.query("SELECT 2 AS two")).rows).toEqual([{ two: 2 }]);
    await slow.end();
    for (const socket of sockets) socket.destroy();
    proxy.close();
  });

  test("leaves no transaction that waits for ever", async () => {
    const slow = createPool({ url: database.url, max: 1, statementTimeoutMs: 100 });
    await expect(
      withTransaction(slow, (transaction) => transaction.query("SELECT pg_sleep(5)")),
    ).rejects.toThrow("statement timeout");
    expect((await slow.query("SELECT 1 AS one")).rows).toEqual([{ one: 1 }]);
    await slow.end();
  });
});

const listen = async (server: Server): Promise<number> => {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const bound = server.address();
  if (bound === null || typeof bound === "string") throw new Error("no port");
  return bound.port;
};

describe("ensureLoginRole", () => {
  test("creates a role that can log in and nothing else, once", async () => {
    const url = Object.assign(new URL(database.url), {
      username: `role_${randomUUID().slice(0, 8)}`,
      password: "it's",
    });
    const made = await Promise.all([1, 2, 3].map(() => ensureLoginRole(database.url, url.href)));
    expect(new Set(made)).toEqual(new Set([url.username]));
    const asRole = createPool({ url: url.href, max: 1 });
    await expect(asRole.query("SELECT * FROM accounts")).rejects.toThrow("permission denied");
    await asRole.end();
    await pool.query(`DROP ROLE ${url.username}`);
  });
});
