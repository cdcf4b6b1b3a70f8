import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Pool } from "@tac/kit";
import { startTestDatabase } from "@tac/kit/testing";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { prepareStore } from "../src/ledger/prepareStore.ts";
import { verifyLedger } from "../src/ledger/verifyLedger.ts";
import { type Harness, startHarness } from "./support/harness.ts";
import { sendJson } from "./support/TestProvider.ts";

let harness: Harness;
beforeAll(async () => {
  harness = await startHarness();
});
afterEach(() => harness.reset());
afterAll(() => harness.stop());

/** Runs as the owner with the triggers off: what only a superuser could do. */
const tamper = async (sql: string, jobId: string): Promise<void> => {
  await harness.pool.query("ALTER TABLE ledger_entries DISABLE TRIGGER ledger_entries_append_only");
  await harness.pool.query(sql, [Buffer.from(jobId.slice(2), "hex")]);
  await harness.pool.query("ALTER TABLE ledger_entries ENABLE TRIGGER ledger_entries_append_only");
};

/** A job with two calls that were charged and one that was released: nine entries, the lock's first. */
const usedJob = async () => {
  const job = await harness.openJob();
  await job.by.send(job.chat());
  await job.by.send(job.chat());
  harness.provider.answer = (_received, response) => sendJson(response, 500, {});
  await job.by.send(job.chat());
  return job;
};

describe("the gateway's own role", () => {
  test("can read and append to what is append-only, and do nothing else to it", async () => {
    await usedJob();
    const may = async (sql: string): Promise<unknown> =>
      harness.runtimePool.query(sql).then(
        () => "allowed",
        (error: { code: string }) => error.code,
      );
    const refused = "42501";
    for (const table of ["ledger_entries", "feed_events", "budget_changes"]) {
      expect(await may(`UPDATE ${table} SET hash = NULL`), table).toMatch(/42501|42703/);
      expect(await may(`DELETE FROM ${table}`), table).toBe(refused);
      expect(await may(`TRUNCATE ${table}`), table).toBe(refused);
      expect(await may(`ALTER TABLE ${table} DISABLE TRIGGER ALL`), table).toBe(refused);
      expect(await may(`DROP TABLE ${table}`), table).toBe(refused);
      expect(await may(`SELECT FROM ${table}`), table).toBe("allowed");
    }
    for (const table of ["jobs", "calls", "budgets", "budget_windows"]) {
      expect(await may(`DELETE FROM ${table}`), table).toBe(refused);
    }
    expect(
      await may("CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE sql AS 'SELECT 1'"),
    ).toBe(refused);
    expect(await may("SELECT grant_runtime('gateway_runtime')")).toBe(refused);
    expect(await may("UPDATE migrations SET name = 'x'")).toBe(refused);
  });

  test("is refused when it is the owner's", async () => {
    const database = await startTestDatabase();
    await expect(prepareStore({ databaseUrl: database.url, migrationUrl: database.url })).rejects.toThrow(
      "same role",
    );
    await database.stop();
  });
});

describe("verify-ledger", () => {
  test("finds nothing wrong with what the gateway wrote", async () => {
    await usedJob();
    const report = await verifyLedger(harness.pool);
    expect(report.problems).toEqual([]);
    expect(report.heldNano).toBe(0n);
    expect(report.lockedNano).toBe(BigInt(report.jobs) * 100_000n);
  });

  const cases: [string, string, string][] = [
    [
      "a changed amount",
      "UPDATE ledger_entries SET amount_nano = amount_nano + 1 WHERE job_id = $1 AND entry_number = 5",
      "entry 5 says",
    ],
    [
      "a changed account",
      "UPDATE ledger_entries SET credit_account = 'provider:9' WHERE job_id = $1 AND entry_number = 3",
      "entry 3 goes from held to provider:9",
    ],
    [
      "a changed time",
      "UPDATE ledger_entries SET recorded_at_ms = recorded_at_ms - 1 WHERE job_id = $1 AND entry_number = 2",
      "entry 2: altered",
    ],
    [
      "a removed entry",
      "DELETE FROM ledger_entries WHERE job_id = $1 AND entry_number = 4",
      "entry 4 is missing",
    ],
    [
      "a removed end",
      "DELETE FROM ledger_entries WHERE job_id = $1 AND entry_number = 9",
      "entry 9 is missing",
    ],
    [
      "two entries in each other's place",
      `UPDATE ledger_entries e SET call_id = o.call_id, recorded_at_ms = o.recorded_at_ms FROM ledger_entries o
        WHERE e.job_id = $1 AND o.job_id = $1 AND e.entry_number IN (2, 5) AND o.entry_number = 7 - e.entry_number`,
      "entry 2: altered",
    ],
    [
      "a changed balance",
      "UPDATE jobs SET spent_nano = spent_nano - 1 WHERE job_id = $1",
      "providers is 26, the job says 25",
    ],
    ["a removed chain", "DELETE FROM ledger_entries WHERE job_id = $1", "entry 1 is missing"],
    [
      "a changed call and its entry",
      `WITH c AS (UPDATE calls SET cost_nano = 12 WHERE job_id = $1 AND state = 'captured')
        UPDATE ledger_entries SET amount_nano = CASE kind WHEN 'capture' THEN 12 ELSE amount_nano + 1 END
         WHERE job_id = $1 AND kind IN ('capture', 'release') AND amount_nano < 100`,
      "says 12, its receipt 13",
    ],
  ];
  test.each(cases)("finds %s", async (_name, sql, expected) => {
    const job = await usedJob();
    await tamper(sql, job.jobId);
    const { problems } = await verifyLedger(harness.pool);
    const found = problems.filter(({ subject }) => subject === job.jobId).map(({ problem }) => problem);
    expect(found.join("\n")).toContain(expected);
    // The next case starts from a store that agrees.
    await forget(harness.pool, job.jobId);
  });

  test("says so by its exit code", async () => {
    const run = promisify(execFile);
    const cli = join(import.meta.dirname, "..", "src", "ledger", "verifyLedgerCli.ts");
    const execute = () =>
      run(process.execPath, ["--import", "tsx", cli], {
        env: { ...process.env, DATABASE_URL: harness.databaseUrl },
      });
    expect((await execute()).stdout).toContain("all agrees");
    const job = await usedJob();
    await tamper("DELETE FROM ledger_entries WHERE job_id = $1 AND entry_number = 4", job.jobId);
    await expect(execute()).rejects.toMatchObject({
      code: 1,
      stderr: expect.stringContaining("entry 4 is missing"),
    });
    await forget(harness.pool, job.jobId);
  });
});

/** Takes a job that a test has spoilt out of the store, feed events included. */
const forget = async (pool: Pool, jobId: string): Promise<void> => {
  for (const table of ["ledger_entries", "feed_events"])
    await pool.query(`ALTER TABLE ${table} DISABLE TRIGGER USER`);
  await pool.query("DELETE FROM feed_events WHERE event->'body'->'receipt'->>'jobId' = $1", [jobId]);
  for (const table of ["ledger_entries", "calls", "running_calls", "job_grants", "jobs"]) {
    await pool.query(`DELETE FROM ${table} WHERE job_id = decode($1, 'hex')`, [jobId.slice(2)]);
  }
  for (const table of ["ledger_entries", "feed_events"])
    await pool.query(`ALTER TABLE ${table} ENABLE TRIGGER USER`);
};
