import { afterAll, beforeAll, expect, test } from "vitest";
import { bigintArray, byteaArray, textArray } from "./binaryArrays.ts";
import { createPool, type Pool } from "./database.ts";
import { startTestDatabase, type TestDatabase } from "./testing/index.ts";

let database: TestDatabase;
let pool: Pool;
beforeAll(async () => {
  database = await startTestDatabase();
  pool = createPool({ url: database.url });
});
afterAll(async () => {
  await pool.end();
  await database.stop();
});

const readBack = async (type: string, parameter: Buffer): Promise<unknown> =>
  (await pool.query<{ value: unknown }>(`SELECT $1::${type} AS value`, [parameter])).rows[0]?.value;

test("PostgreSQL reads what was meant", async () => {
  expect(await readBack("bytea[]", byteaArray(["0x00ff", Buffer.from("\\x"), null, "0x"]))).toEqual([
    Buffer.from([0, 255]),
    Buffer.from("\\x"),
    null,
    Buffer.alloc(0),
  ]);
  expect(await readBack("text[]", textArray(['a"b\\', "", null, "é{},\n", "NULL"]))).toEqual([
    'a"b\\',
    "",
    null,
    "é{},\n",
    "NULL",
  ]);
  expect(await readBack("bigint[]", bigintArray([0n, -1n, 2n ** 63n - 1n, 7]))).toEqual([
    0n,
    -1n,
    2n ** 63n - 1n,
    7n,
  ]);
  expect(await readBack("text[]", textArray([]))).toEqual([]);
});

test("a number that is no bigint of PostgreSQL is an error", () => {
  expect(() => bigintArray([2n ** 63n])).toThrow(RangeError);
});
