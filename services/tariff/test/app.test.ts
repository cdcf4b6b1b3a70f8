import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type App, createLogger, createMetrics, createPool, migrate, type Pool } from "@tac/kit";
import { startTestDatabase, type TestDatabase } from "@tac/kit/testing";
import { Plan, Quote, Tariff, Wire } from "@tac/protocol";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { buildApp, createTariffStore } from "../src/index.ts";
import { seedTariffs } from "../src/seedTariffs.ts";
import { model, prices, step, tariff } from "./fixtures.ts";

const privateKey = `0x${"11".repeat(32)}` as const;
const adminToken = "operator-token-0123456789";
const domain = {
  name: "TariffQuote",
  version: "1",
  chainId: 31_337,
  verifyingContract: `0x${"aa".repeat(20)}`,
} as const;
const tenant = `0x${"bb".repeat(20)}`;
const gateway = `0x${"cc".repeat(20)}`;
const dear = tariff(1, [model("large"), model("small")]);
const cheap = tariff(2, [model("large", { prices: prices({ outputTokensNano: 9_000_000_000n }) })]);

let server: TestDatabase;
let pool: Pool;
let app: App;
let nowMs = 1_790_000_000_500;
let count = 0;

beforeAll(async () => {
  server = await startTestDatabase();
});
afterAll(() => server?.stop());
beforeEach(async () => {
  count += 1;
  pool = createPool({ url: await server.createDatabase(`tariff_${count}`) });
  await migrate(pool, fileURLToPath(new URL("../migrations", import.meta.url)));
  app = buildApp({
    pool,
    domain,
    signerPrivateKey: privateKey,
    adminToken,
    logger: createLogger({ service: "tariff", level: "silent" }),
    metrics: createMetrics({ service: "tariff", processMetrics: false }),
    now: () => nowMs,
  });
});
afterEach(async () => {
  nowMs = 1_790_000_000_500;
  await app.close();
  await pool.end();
});

const put = (document: unknown, authorization = `Bearer ${adminToken}`) =>
  app.inject({ method: "PUT", url: "/v1/tariffs", payload: document as object, headers: { authorization } });
const append = async (document: Tariff.Tariff) =>
  expect((await put(Tariff.toJson(document))).statusCode).toBe(201);
const quote = (plan: Plan.Plan, changes: object = {}) =>
  app.inject({
    method: "POST",
    url: "/v1/quotes",
    payload: { tenant, gateway, plan: Plan.toJson(plan), ...changes },
  });

describe("tariffs", () => {
  test("a version is appended once; the same document again changes nothing", async () => {
    await append(dear);
    const again = await put(Tariff.toJson(dear));
    expect(again.statusCode).toBe(200);
    expect(again.json()).toEqual({ tariff: Tariff.toJson(dear), tariffHash: Tariff.hash(dear) });
    expect((await app.inject("/v1/tariffs")).json().tariffs).toHaveLength(1);
  });

  test("is found by its hash for ever", async () => {
    await append(dear);
    await append({ ...dear, version: 2, models: [model("large")] });
    const answer = await app.inject(`/v1/tariffs/${Tariff.hash(dear)}`);
    expect(answer.json()).toEqual({ tariff: Tariff.toJson(dear), tariffHash: Tariff.hash(dear) });
    expect(answer.headers["cache-control"]).toContain("immutable");
    const unknown = await app.inject(`/v1/tariffs/0x${"00".repeat(32)}`);
    expect(unknown.statusCode).toBe(404);
    expect(unknown.json()).toMatchObject({ code: "unknown_tariff", param: "tariffHash" });
  });

  test("a recorded version never changes its terms", async () => {
    await append(dear);
    const answer = await put(Tariff.toJson({ ...dear, models: [model("large")] }));
    expect(answer.statusCode).toBe(409);
    expect(answer.headers["content-type"]).toContain("application/problem+json");
    expect(answer.headers["x-should-retry"]).toBe("false");
  });

  test.each([
    [{ version: 2 }, "version"],
    [{ version: 0 }, "version"],
    [{ providerId: 0 }, "providerId"],
    [{ currency: "USD" }, "currency"],
    [{ models: [] }, "models"],
    [{ surcharge: 1 }, "surcharge"],
  ])("refuses %j", async (changes, param) => {
    const answer = await put({ ...Tariff.toJson(dear), ...changes });
    expect(answer.statusCode).toBe(400);
    expect(answer.json()).toMatchObject({ code: "invalid_request", param });
  });

  test("a later version cannot come into force before an earlier one", async () => {
    await append({ ...dear, effectiveFromMs: 1_000 });
    expect((await put(Tariff.toJson({ ...dear, version: 2, effectiveFromMs: 999 }))).json().param).toBe(
      "effectiveFromMs",
    );
  });

  test("only the operator appends", async () => {
    for (const authorization of ["", "Bearer wrong-token-000000", adminToken]) {
      const answer = await put(Tariff.toJson(dear), authorization);
      expect(answer.statusCode).toBe(401);
      expect(answer.json().code).toBe("unauthorized");
    }
    expect((await app.inject("/v1/tariffs")).json()).toEqual({ tariffs: [] });
  });

  test("two operators appending different terms at once: one wins, the other is told", async () => {
    const rivals = [dear, { ...dear, models: [model("large")] }, { ...dear, models: [model("small")] }];
    const statuses = (await Promise.all(rivals.map((rival) => put(Tariff.toJson(rival))))).map(
      ({ statusCode }) => statusCode,
    );
    expect(statuses.sort()).toEqual([201, 409, 409]);
  });

  test("a version announced for later does not apply before its time", async () => {
    await append(dear);
    await append({ ...dear, version: 2, effectiveFromMs: nowMs + 1 });
    const versions = async () =>
      (await app.inject("/v1/tariffs"))
        .json()
        .tariffs.map((entry: { tariff: { version: number } }) => entry.tariff.version);
    expect(await versions()).toEqual([1]);
    nowMs += 1;
    expect(await versions()).toEqual([2]);
  });

  test("the history of a provider is paged, newest first", async () => {
    for (const version of [1, 2, 3]) await append({ ...dear, version });
    const first = (await app.inject("/v1/providers/1/tariffs?limit=2")).json();
    expect(first.tariffs.map((entry: { tariff: { version: number } }) => entry.tariff.version)).toEqual([
      3, 2,
    ]);
    const rest = (
      await app.inject(`/v1/providers/1/tariffs?limit=2&beforeVersion=${first.nextBeforeVersion}`)
    ).json();
    expect(rest).toMatchObject({ tariffs: [{ tariff: { version: 1 } }], nextBeforeVersion: null });
  });

  test.each(["tariffs", "quotes", "quote_tariffs"])(
    "the table %s refuses changes, even by its owner",
    async (table) => {
      await append(dear);
      await quote({ steps: [step("a")] });
      for (const change of [
        `UPDATE ${table} SET tariff_hash = tariff_hash`,
        `DELETE FROM ${table}`,
        `TRUNCATE ${table} CASCADE`,
      ]) {
        const statement = table === "quotes" ? change.replaceAll("tariff_hash", "quote_hash") : change;
        await expect(pool.query(statement)).rejects.toThrow("is append-only");
      }
      expect((await pool.query(`SELECT FROM ${table}`)).rowCount).toBe(1);
    },
  );
});

describe("quotes", () => {
  beforeEach(async () => {
    await append(dear);
    await append(cheap);
  });

  test("is signed by the signer over the plan, the tariffs and the ceiling, for five minutes", async () => {
    const plan = { steps: [step("a", { maxCalls: 2 }), step("b", { model: "small" })] };
    const answer = await quote(plan);
    expect(answer.statusCode).toBe(200);
    const signed = Wire.parse(Quote.signedSchema, answer.json());
    const { address } = (await app.inject("/v1/signer")).json();
    expect(signed.signer).toBe(address);
    expect(Quote.recover(signed.quote, signed.signature, domain)).toBe(address);
    expect(signed.quote).toMatchObject({
      tenant,
      gateway,
      planHash: Plan.hash(plan),
      tariffsHash: Quote.tariffsHash(signed.tariffs),
      ceilingNano: 2n * 7_000_000n + 7_500_000n,
      issuedAt: 1_790_000_000n,
      expiresAt: 1_790_000_300n,
    });
    expect(signed.steps.map(({ providerId }) => providerId)).toEqual([2, 1]);
    expect(signed.plan).toEqual(plan);
  });

  test("two quotes for one plan differ, and both are recorded with their tariffs", async () => {
    const [first, second] = await Promise.all([quote({ steps: [step("a")] }), quote({ steps: [step("a")] })]);
    expect(first.json().quote.nonce).not.toBe(second.json().quote.nonce);
    const { rows } = await pool.query(
      "SELECT document, ceiling_nano FROM quotes JOIN quote_tariffs USING (quote_hash)",
    );
    expect(rows.map(({ document }) => JSON.parse(document))).toEqual(
      expect.arrayContaining([first.json(), second.json()]),
    );
    expect(rows.map(({ ceiling_nano }) => ceiling_nano)).toEqual([7_000_000n, 7_000_000n]);
  });

  test("a new version prices new quotes only", async () => {
    const before = (await quote({ steps: [step("a", { providerId: 2 })] })).json();
    await append({ ...cheap, version: 2, models: [model("large")] });
    const after = (await quote({ steps: [step("a", { providerId: 2 })] })).json();
    expect(before.quote.ceilingNano).toBe("7000000");
    expect(after.quote.ceilingNano).toBe("7500000");
    expect((await app.inject(`/v1/tariffs/${before.steps[0].tariffHash}`)).statusCode).toBe(200);
  });

  test.each<[object, number, string]>([
    [{ plan: Plan.toJson({ steps: [step("a", { model: "none" })] }) }, 404, "unknown_model"],
    [{ plan: Plan.toJson({ steps: [step("a", { providerId: 7 })] }) }, 404, "unknown_provider"],
    [{ plan: { steps: [] } }, 400, "invalid_request"],
    [{ tenant: `0x${"BB".repeat(20)}` }, 400, "invalid_request"],
    [{ gateway: undefined }, 400, "invalid_request"],
    [{ discount: "all" }, 400, "invalid_request"],
  ])("refuses %j with %i %s", async (changes, status, code) => {
    const answer = await quote({ steps: [step("a")] }, changes);
    expect(answer.statusCode).toBe(status);
    expect(answer.json().code).toBe(code);
  });
});

describe("seeding", () => {
  test("appends what is new, in order of version, and may be repeated", async () => {
    const dir = await mkdtemp(join(tmpdir(), "tac-tariffs-"));
    const file = join(dir, "tariffs.json");
    const store = createTariffStore(pool);
    await writeFile(file, JSON.stringify([{ ...dear, version: 2 }, dear, cheap].map(Tariff.toJson)));
    expect(await seedTariffs(store, file)).toBe(3);
    expect(await seedTariffs(store, file)).toBe(0);
    await writeFile(file, JSON.stringify([Tariff.toJson({ ...dear, models: [model("large")] })]));
    await expect(seedTariffs(store, file)).rejects.toMatchObject({ code: "idempotency_conflict" });
    await rm(dir, { recursive: true });
  });
});

test("without its database the service refuses, is unhealthy and stays alive", async () => {
  const elsewhere = createPool({ url: "postgres://a:b@127.0.0.1:1/none" });
  const crippled = buildApp({
    pool: elsewhere,
    domain,
    signerPrivateKey: privateKey,
    adminToken,
    logger: createLogger({ service: "tariff", level: "silent" }),
    metrics: createMetrics({ service: "tariff", processMetrics: false }),
  });
  expect((await crippled.inject("/v1/tariffs")).json()).toMatchObject({
    status: 503,
    code: "store_unavailable",
  });
  expect((await crippled.inject("/healthz")).statusCode).toBe(503);
  expect((await crippled.inject("/livez")).statusCode).toBe(200);
  await crippled.close();
  await elsewhere.end();
});
