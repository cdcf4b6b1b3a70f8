import { randomUUID } from "node:crypto";
import { fileURLToPath } from "node:url";
import { createLogger, createMetrics, createPool, createQueues, migrate, type Pool } from "@tac/kit";
import { startTestDatabase, type TestDatabase } from "@tac/kit/testing";
import { Invoice, Tariff } from "@tac/protocol";
import type { Hex } from "viem";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { buildApp } from "../src/app.ts";
import { createPipeline } from "../src/ingest/createPipeline.ts";
import { type AggregatorPort, createAggregator } from "../src/ingest/fetchBatch.ts";
import { issueInvoice } from "../src/ingest/issueInvoice.ts";
import { NO_TAX } from "../src/invoice/tax.ts";
import { loadCursor, recordLogs } from "../src/store/events.ts";
import { findInvoice } from "../src/store/invoices.ts";
import { encodeLog } from "./encodeLog.ts";
import { createMemoryChain } from "./memoryChain.ts";
import { billingKey, createWorld, deployment, issuer, name32, tariffs, tenant, type World } from "./world.ts";

const migrations = fileURLToPath(new URL("../migrations", import.meta.url));
const logger = createLogger({ service: "billing-test", level: "silent" });
const WAIT = { timeout: 20_000, interval: 50 };

let database: TestDatabase;
let pool: Pool;
let databaseUrl: string;
const closers: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  database = await startTestDatabase();
});
afterAll(() => database?.stop());
beforeEach(async () => {
  databaseUrl = await database.createDatabase(`billing_${randomUUID().replaceAll("-", "")}`);
  await migrate(databaseUrl, migrations);
  pool = createPool({ url: databaseUrl });
});
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
  await pool.end();
});

const aggregatorOf = (world: World, change: Partial<AggregatorPort> = {}): AggregatorPort => ({
  url: "http://aggregator",
  batch: async (_laneId, batchNumber) => {
    const batch = world.batches[Number(batchNumber) - 1];
    if (batch === undefined) throw new Error(`There is no batch ${batchNumber}.`);
    return {
      header: batch.built.header,
      lines: batch.built.lines,
      receipts: batch.receipts,
      partials: batch.signers.map(({ replica, publicShare, partialSignature }) => ({
        replica,
        publicShare,
        signature: partialSignature,
      })),
      signature: batch.signature,
    };
  },
  ...change,
});

const lying = (world: World): AggregatorPort => {
  const honest = aggregatorOf(world);
  return {
    url: "http://liar",
    batch: async (laneId, batchNumber) => {
      const body = await honest.batch(laneId, batchNumber);
      const [first, ...rest] = body.receipts;
      if (first === undefined) throw new Error("The batch is empty.");
      const receipts = [
        { ...first, receipt: { ...first.receipt, costNano: first.receipt.costNano + 1n } },
        ...rest,
      ];
      return { ...body, receipts };
    },
  };
};

const depsOf = (world: World) => ({
  pool,
  deployment,
  reader: createMemoryChain(world.state),
  fetchTariff: async (hash: Hex) => {
    const tariff = tariffs.find((candidate) => Tariff.hash(candidate) === hash);
    if (tariff === undefined) throw new Error(`There is no tariff ${hash}.`);
    return tariff;
  },
  privateKey: billingKey,
  taxRules: NO_TAX,
  now: Date.now,
  logger,
});

function start(world: World, aggregators: AggregatorPort[]) {
  const errors: Error[] = [];
  const queues = createQueues({ databaseUrl, onError: (error) => errors.push(error) });
  const metrics = createMetrics({ service: "billing-test", processMetrics: false });
  const deps = { ...depsOf(world), aggregators, queues, metrics, sweepMs: 50 };
  const pipeline = createPipeline(deps);
  const app = buildApp({ ...deps, issuer });
  closers.push(() => app.close(), pipeline.close, queues.close);
  return { app, errors, metrics };
}

/** The second job ends by time-out; what is left of its lock goes back to the tenant. */
function releaseOther(world: World): bigint {
  const paidNano = world.batches
    .flatMap(({ settled }) => settled)
    .filter(({ jobId }) => jobId === world.otherJobId)
    .reduce((sum, { outcome }) => sum + outcome.paidNano, 0n);
  const releasedNano = world.locked.maxSpendNano - paidNano;
  world.state.events.push({
    name: "Released",
    transactionHash: name32("release"),
    blockNumber: 40n,
    logIndex: 0,
    jobId: world.otherJobId,
    tenant,
    releasedNano,
  });
  world.state.closedJobs.add(world.otherJobId);
  return releasedNano;
}

const logsOf = (world: World) => world.state.events.map(encodeLog);
const record = (world: World) => recordLogs(pool, deployment, logsOf(world), 21n);
const urlOf = (world: World, query = "") => `/v1/jobs/${world.jobId}/invoice${query}`;

async function issued(world: World): Promise<Invoice.Invoice> {
  const body = await vi.waitUntil(() => findInvoice(pool, world.jobId), WAIT);
  return Invoice.schema.parse(JSON.parse(body));
}

describe("from the chain's logs to an invoice", () => {
  test("a final job gets one, which verifies over HTTP", async () => {
    const world = createWorld();
    const { app } = start(world, [aggregatorOf(world)]);
    expect((await app.inject(urlOf(world))).json()).toMatchObject({ code: "unknown_job", status: 404 });
    await record(world);
    const invoice = await issued(world);
    expect(invoice.lines).toHaveLength(4);
    expect(invoice.totals.paidNano).toBe(invoice.totals.subtotalNano);
    expect(invoice.batches.map(({ signers }) => signers.map(({ replica }) => replica))).toEqual([
      [1, 2, 4],
      [1, 2, 4],
    ]);

    const answer = await app.inject(urlOf(world));
    expect(answer.statusCode).toBe(200);
    const verified = await app.inject({
      method: "POST",
      url: "/v1/invoices/verify",
      payload: { invoice: answer.json() },
    });
    expect(verified.json()).toMatchObject({
      valid: true,
      problems: [],
      issuer: { address: issuer, isExpected: true },
    });

    const changed = { ...answer.json(), totals: { ...answer.json().totals, totalNano: "1" } };
    const refused = await app.inject({
      method: "POST",
      url: "/v1/invoices/verify",
      payload: { invoice: changed },
    });
    expect(refused.json().problems).toContainEqual(
      expect.objectContaining({ line: null, code: "totals_mismatch", path: "totals.totalNano" }),
    );
  });

  test("a job that is not final has none yet, and the answer says to ask again", async () => {
    const world = createWorld();
    const { app } = start(world, [aggregatorOf(world)]);
    await record(world);
    await issued(world);
    const answer = await app.inject(`/v1/jobs/${world.otherJobId}/invoice`);
    expect(answer.statusCode).toBe(404);
    expect(answer.headers["content-type"]).toMatch("application/problem+json");
    expect(answer.json()).toMatchObject({ code: "not_settled", retryable: true });
  });

  test("the same logs twice, and two pipelines at once, still give one invoice", async () => {
    const world = createWorld();
    start(world, [aggregatorOf(world)]);
    const second = start(world, [aggregatorOf(world)]);
    await Promise.all([record(world), record(world)]);
    const first = await findInvoiceTwice(world);
    await record(world);
    expect(await issueInvoice(depsOf(world), world.jobId)).toBe(false);
    expect(await findInvoice(pool, world.jobId)).toBe(first);
    const { rows } = await pool.query("SELECT count(*)::int AS count FROM invoices");
    expect(rows).toEqual([{ count: 1 }]);
    expect(second.errors).toEqual([]);
  });

  const findInvoiceTwice = (world: World) => vi.waitUntil(() => findInvoice(pool, world.jobId), WAIT);

  test("logs that come block by block give the same as logs that come at once", async () => {
    const world = createWorld();
    start(world, [aggregatorOf(world)]);
    const logs = logsOf(world);
    for (const block of new Set(logs.map(({ blockNumber }) => blockNumber ?? 0n))) {
      await recordLogs(
        pool,
        deployment,
        logs.filter(({ blockNumber }) => blockNumber === block),
        block,
      );
      expect(await loadCursor(pool)).toBe(block);
    }
    expect((await issued(world)).settlements).toHaveLength(3);
  });

  test("an aggregator that lies or is silent is passed over", async () => {
    const world = createWorld();
    const silent = createAggregator("http://127.0.0.1:9");
    const withoutSigners = aggregatorOf(world, {
      url: "http://follower",
      batch: async (laneId, batchNumber) => ({
        ...(await aggregatorOf(world).batch(laneId, batchNumber)),
        partials: [],
      }),
    });
    start(world, [lying(world), withoutSigners, silent, aggregatorOf(world)]);
    await record(world);
    expect((await issued(world)).batches.every(({ signers }) => signers.length === 3)).toBe(true);
  });

  test("receipts that add up to more than a line holds are one aggregator's lie, not the end of the search", async () => {
    const world = createWorld();
    const honest = aggregatorOf(world);
    const boundless: AggregatorPort = {
      url: "http://boundless",
      batch: async (laneId, batchNumber) => {
        const body = await honest.batch(laneId, batchNumber);
        const receipts = body.receipts.map(({ receipt, receiptSignature }) => ({
          receipt: { ...receipt, jobId: world.jobId, providerId: 1, costNano: 2n ** 64n - 1n },
          receiptSignature,
        }));
        return { ...body, receipts };
      },
    };
    start(world, [boundless, honest]);
    await record(world);
    expect((await issued(world)).lines).toHaveLength(4);
  });

  test("without an honest aggregator there is no invoice, and the reason is reported", async () => {
    const world = createWorld();
    const { errors } = start(world, [lying(world)]);
    await record(world);
    await vi.waitFor(() => expect(errors.length).toBeGreaterThan(0), WAIT);
    expect(errors[0]?.message).toMatch(/do not give the root on chain/);
    expect(await findInvoice(pool, world.jobId)).toBeNull();
  });

  test("an invoice that would not verify is not issued", async () => {
    const world = createWorld();
    world.state.gateways.clear();
    const { errors } = start(world, [aggregatorOf(world)]);
    await record(world);
    await vi.waitFor(() => expect(errors.map(({ name }) => name)).toContain("InvoiceRefusedError"), WAIT);
    expect(await findInvoice(pool, world.jobId)).toBeNull();
  });

  test("a job released after expiry gets an invoice that shows the release", async () => {
    const world = createWorld();
    const releasedNano = releaseOther(world);
    start(world, [aggregatorOf(world)]);
    await record(world);
    const body = await vi.waitUntil(() => findInvoice(pool, world.otherJobId), WAIT);
    const invoice = Invoice.schema.parse(JSON.parse(body));
    expect(invoice.release).toMatchObject({ releasedNano });
    expect(invoice.totals.paidNano + invoice.totals.releasedNano).toBe(world.locked.maxSpendNano);
  });
});

describe("an issued invoice", () => {
  test("cannot be changed, deleted or truncated", async () => {
    const world = createWorld();
    start(world, [aggregatorOf(world)]);
    await record(world);
    await issued(world);
    for (const statement of [
      "UPDATE invoices SET total_nano = 0",
      "DELETE FROM invoices",
      "TRUNCATE invoices",
    ])
      await expect(pool.query(statement)).rejects.toThrow("immutable once issued");
  });

  test("is served as text, as CSV and in the tenant's list, page by page", async () => {
    const world = createWorld();
    releaseOther(world);
    const { app } = start(world, [aggregatorOf(world)]);
    await record(world);
    const invoice = await issued(world);

    const text = await app.inject(urlOf(world, "?format=text"));
    expect(text.headers["content-type"]).toMatch("text/plain");
    for (const line of invoice.lines) expect(text.body).toContain(`tx ${line.settlement.transactionHash}`);
    expect(text.body).toContain("signed by replicas 1, 2, 4");

    const csv = await app.inject(urlOf(world, "?format=csv"));
    expect(csv.headers["content-disposition"]).toContain("attachment");
    expect(csv.body.trimEnd().split("\r\n")).toHaveLength(1 + invoice.lines.length);

    await vi.waitUntil(() => findInvoice(pool, world.otherJobId), WAIT);
    const first = (await app.inject(`/v1/tenants/${tenant}/invoices?limit=1`)).json();
    expect(first.next).toMatch(/^[1-9][0-9]*$/);
    const second = (await app.inject(`/v1/tenants/${tenant}/invoices?limit=1&after=${first.next}`)).json();
    expect(second.next).toBeNull();
    expect([...first.invoices, ...second.invoices]).toContainEqual({
      invoiceId: invoice.invoiceId,
      jobId: invoice.jobId,
      totalNano: invoice.totals.totalNano.toString(),
      paidNano: invoice.totals.paidNano.toString(),
      lineCount: 4,
      issuedAtMs: invoice.issuedAtMs.toString(),
    });
    const jobIds = [...first.invoices, ...second.invoices].map(({ jobId }: { jobId: string }) => jobId);
    expect(new Set(jobIds)).toEqual(new Set([world.jobId, world.otherJobId]));
    expect((await app.inject("/v1/signer")).json()).toEqual({ address: issuer });
  });

  test.each([
    ["/v1/jobs/0xAB/invoice", "jobId"],
    [`/v1/jobs/${name32("x").toUpperCase().replace("0X", "0x")}/invoice`, "jobId"],
    [`/v1/jobs/${name32("x")}/invoice?format=exe`, "format"],
    [`/v1/tenants/${tenant}/invoices?limit=1000`, "limit"],
    [`/v1/tenants/${tenant}/invoices?after=-1`, "after"],
  ])("%s is refused", async (url, param) => {
    const world = createWorld();
    const app = buildApp({
      ...depsOf(world),
      metrics: createMetrics({ service: "t", processMetrics: false }),
      issuer,
    });
    closers.push(() => app.close());
    const answer = await app.inject(url);
    expect(answer.statusCode).toBe(400);
    expect(answer.json()).toMatchObject({ code: "invalid_request", param });
  });
});
