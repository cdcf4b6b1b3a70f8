import { createPool } from "@tac/kit";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { Gateway } from "../src/createGateway.ts";
import { feedOf } from "./support/feedOf.ts";
import { type Harness, startHarness, type TestJob } from "./support/harness.ts";
import { StoreProxy } from "./support/StoreProxy.ts";

// An answer is delivered before its charge is committed; these callers look at what follows without waiting for it.
let harness: Harness;
let replica: Gateway;
let connectUrl: string;
beforeAll(async () => {
  harness = await startHarness({ upstreamTimeoutMs: 20_000, chainMaxAgeMs: 20_000 }, "none");
  ({ replica, connectUrl } = await harness.startReplica("replica-2"));
});
afterEach(() => harness.reset());
afterAll(async () => {
  await replica.app.close();
  await replica.stop();
  await harness.stop();
});

/** What a call of the usual chat holds, in nanocredits: a byte of input is at most a token, and twenty of output. */
const holdOf = (job: TestJob): bigint => BigInt(Buffer.byteLength(JSON.stringify(job.chat().body)) + 20);

const usagesOf = async (job: TestJob) =>
  (await feedOf(harness.pool, job.jobId)).filter(({ kind }) => kind === "usage");

const stateOf = async (job: TestJob): Promise<unknown> => {
  const { rows } = await harness.pool.query("SELECT state FROM calls WHERE job_id = decode($1, 'hex')", [
    job.jobId.slice(2),
  ]);
  return rows[0]?.state;
};

const json = (text: string): Record<string, unknown> => JSON.parse(text) as Record<string, unknown>;

describe("one caller whose credit covers a single call at a time", () => {
  const COUNT = 8;
  const openTightJob = async (): Promise<TestJob> =>
    harness.openJob({ maxSpendNano: holdOf(await harness.openJob()) + 13n * BigInt(COUNT - 1) });

  /** No charge is committed for a while, because the feed's head is somebody else's. */
  const delayCharges = async (): Promise<void> => {
    const client = await harness.pool.connect();
    await client.query("BEGIN");
    await client.query("SELECT FROM feed_heads FOR UPDATE");
    setTimeout(async () => {
      await client.query("COMMIT");
      client.release();
    }, 100);
  };

  test("is never refused for what its call before gives back", async () => {
    const job = await openTightJob();
    for (let call = 0; call < COUNT; call += 1) {
      await delayCharges();
      const { status } = await job.by.sendOnly(job.chat());
      expect(status).toBe(200);
    }
    const { status } = await job.by.send(job.chat());
    expect(status).toBe(402);
    expect((await harness.audit(job.jobId)).balances.get("provider:1")).toBe(13n * BigInt(COUNT));
  });

  test("nor when the calls go to two replicas by turns", async () => {
    const job = await openTightJob();
    const callers = [job.by, await harness.caller(job.by.holder, { connectUrl })];
    for (let call = 0; call < COUNT; call += 1) {
      const answer = await callers[call % 2]?.sendOnly(job.chat());
      expect(answer?.status).toBe(200);
    }
    await harness.charged();
    expect((await harness.audit(job.jobId)).balances.get("provider:1")).toBe(13n * BigInt(COUNT));
  });

  test("gets as many output tokens as its credit pays for, though it named no limit", async () => {
    const open = { max_tokens: undefined };
    const probe = await harness.openJob();
    const inputTokens = BigInt(Buffer.byteLength(JSON.stringify(probe.chat(open).body)));
    const job = await harness.openJob({ maxSpendNano: inputTokens + 100n });
    for (let call = 0; call < COUNT; call += 1) {
      const { status } = await job.by.sendOnly(job.chat(open));
      expect(status).toBe(200);
    }
    const limits = harness.provider.received.map(({ body }) => body.max_tokens);
    expect(limits).toEqual(Array.from({ length: COUNT }, (_, call) => 100 - 13 * call));
  });
});

describe("right after its answer", () => {
  test.each(["the replica that gave it", "another replica"])("%s shows its receipt", async (whose) => {
    const job = await harness.openJob();
    const other = await harness.caller(job.by.holder, { connectUrl });
    const { headers } = await job.by.sendOnly(job.chat());
    const reader = whose === "another replica" ? other : job.by;
    const answer = await reader.sendOnly({
      method: "GET",
      path: `/v1/receipts/${String(headers["x-receipt-id"])}`,
      token: job.token,
    });
    expect(answer.status).toBe(200);
    expect(json(answer.text)).toMatchObject({ receipt: { costNano: "13" }, outcome: "complete" });
  });

  test("the job shows what it cost", async () => {
    const job = await harness.openJob();
    await job.by.sendOnly(job.chat());
    const { text } = await job.by.sendOnly({
      method: "GET",
      path: `/v1/jobs/${job.jobId}`,
      token: job.token,
    });
    expect(json(text)).toMatchObject({ spentNano: "13", heldNano: "0", receipts: 1 });
  });

  test.each(["the replica that gave it", "another replica"])("%s closes its job", async (whose) => {
    const job = await harness.openJob();
    const other = await harness.caller(job.by.holder, { connectUrl });
    await job.by.sendOnly(job.chat());
    const closer = whose === "another replica" ? other : job.by;
    const { status } = await closer.sendOnly({ path: "/v1/jobs/close", body: {}, token: job.token });
    expect(status).toBe(200);
    const kinds = (await feedOf(harness.pool, job.jobId)).map(({ kind }) => kind);
    expect(kinds).toEqual(["job-opened", "usage", "job-closed"]);
  });
});

describe("an answer whose charge the store does not take", () => {
  test.each([{ stream: false }, { stream: true }])(
    "is charged once it does, once: %o",
    async ({ stream }) => {
      const proxy = new StoreProxy(harness.databaseUrl);
      const pool = createPool({ url: await proxy.start(), max: 10, onIdleError: () => undefined });
      const gateway = await harness.makeGateway({ replicaId: `cut-off-${stream}` }, pool);
      await gateway.start();
      const url = await gateway.app.listen({ host: "127.0.0.1", port: 0 });
      const job = await harness.openJob();
      const by = await harness.caller(job.by.holder, { connectUrl: url });
      proxy.cut({ statement: "capture_call", lose: "store" });
      const call = { ...job.chat({ stream }), headers: { "idempotency-key": "cut-off" } };
      const first = await by.sendOnly(call);
      expect(first.status).toBe(200);
      await expect.poll(() => proxy.hasCut).toBe(true);
      expect(await stateOf(job)).not.toBe("captured");
      const meanwhile = await by.sendOnly(job.chat());
      expect(meanwhile.status).toBe(503);

      proxy.restore();
      await expect.poll(() => stateOf(job), { timeout: 10_000 }).toBe("captured");
      expect(await usagesOf(job)).toHaveLength(1);
      const again = await by.sendOnly(call);
      expect([again.status, again.text]).toEqual([200, first.text]);
      expect((await harness.audit(job.jobId)).problems).toEqual([]);
      await gateway.app.close();
      await gateway.stop();
      await pool.end();
      await proxy.stop();
    },
  );
});

test("a gateway that closes makes its charges first", async () => {
  const gateway = await harness.makeGateway({ replicaId: "closing" });
  await gateway.start();
  const url = await gateway.app.listen({ host: "127.0.0.1", port: 0 });
  const job = await harness.openJob();
  const by = await harness.caller(job.by.holder, { connectUrl: url });
  await by.sendOnly(job.chat());
  await by.close();
  await gateway.app.close();
  await gateway.stop();
  expect(await stateOf(job)).toBe("captured");
});
