import { setTimeout as sleep } from "node:timers/promises";
import { createPool } from "@tac/kit";
import { UsageReceipt, UsageReport } from "@tac/protocol";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { codeOf } from "./support/answers.ts";
import { CommitGate } from "./support/CommitGate.ts";
import { feedOf } from "./support/feedOf.ts";
import { type Harness, startHarness, type TestJob } from "./support/harness.ts";
import { StoreProxy } from "./support/StoreProxy.ts";
import { signReport } from "./support/signReport.ts";
import { type Answering, answerUsual, chunkOf, sendJson } from "./support/TestProvider.ts";

// A call is forwarded when its hold is taken and not yet durable; here that moment lasts as long as the test wants.
let harness: Harness;
let gate: CommitGate;
beforeAll(async () => {
  harness = await startHarness({ upstreamTimeoutMs: 20_000, chainMaxAgeMs: 20_000 });
  gate = await CommitGate.build(harness.pool);
});
afterEach(async () => {
  await gate.reset();
  harness.reset();
});
afterAll(async () => {
  gate.remove();
  await harness.stop();
});

const PATIENCE_MS = 200;
const isPending = (answer: Promise<unknown>): Promise<boolean> =>
  Promise.race([answer.then(() => false), sleep(PATIENCE_MS, true)]);

const forwarded = (count = 1): Promise<void> =>
  expect.poll(() => harness.provider.received.length, { timeout: 5_000 }).toBe(count);

const keyed = (job: TestJob, extra: Record<string, unknown> = {}) => ({
  ...job.chat(extra),
  headers: { "idempotency-key": "taken" },
});

/** What the job holds and has paid, after its ledger was found in order. */
const balancesOf = async (job: TestJob): Promise<(bigint | undefined)[]> => {
  const { problems, balances } = await harness.audit(job.jobId);
  expect(problems).toEqual([]);
  return [balances.get("held") ?? 0n, balances.get("provider:1") ?? 0n];
};

const statesOf = async (job: TestJob): Promise<string[]> => {
  const { rows } = await harness.pool.query<{ state: string }>(
    "SELECT state FROM calls WHERE job_id = decode($1, 'hex') ORDER BY held_at_ms",
    [job.jobId.slice(2)],
  );
  return rows.map(({ state }) => state);
};

const silent: Answering = () => undefined;
const refuse: Answering = (_received, response) =>
  sendJson(response, 400, { error: { message: "no such thing" } });

describe("a call whose hold is taken and not durable", () => {
  test.each([{ stream: false }, { stream: true }])(
    "is with its provider, and nothing of its answer leaves: %o",
    async (extra) => {
      const job = await harness.openJob();
      await gate.shut();
      const answer = job.by.send(job.chat(extra));
      await forwarded();
      expect(await isPending(answer)).toBe(true);
      expect(await statesOf(job)).toEqual([]);
      await gate.open();
      expect((await answer).status).toBe(200);
      expect(await balancesOf(job)).toEqual([0n, 13n]);
    },
  );

  test("is given back once it is durable when its provider refuses at once", async () => {
    harness.provider.answer = refuse;
    const job = await harness.openJob();
    await gate.shut();
    const answer = job.by.send(job.chat());
    await forwarded();
    expect(await isPending(answer)).toBe(true);
    await gate.open();
    expect((await answer).status).toBe(400);
    expect([await statesOf(job), await balancesOf(job)]).toEqual([["released"], [0n, 0n]]);
  });

  test("is given back once it is durable when its caller has hung up", async () => {
    harness.provider.answer = silent;
    const job = await harness.openJob();
    await gate.shut();
    const answer = job.by.send(job.chat()).catch(() => "hung up");
    await forwarded();
    await job.by.close();
    await expect.poll(() => harness.provider.aborted).toBe(1);
    expect(await answer).toBe("hung up");
    await gate.open();
    await expect.poll(() => statesOf(job)).toEqual(["released"]);
    expect(await balancesOf(job)).toEqual([0n, 0n]);
  });

  test("leaves no credit for another, on whatever replica", async () => {
    const probe = await harness.openJob();
    const holdNano = BigInt(Buffer.byteLength(JSON.stringify(probe.chat().body)) + 20);
    const job = await harness.openJob({ maxSpendNano: holdNano });
    const { replica, connectUrl } = await harness.startReplica("replica-2");
    const other = await harness.caller(job.by.holder, { connectUrl });
    await gate.shut();
    const answers = [job.by.send(job.chat()), other.send(job.chat())];
    await forwarded();
    expect(await isPending(Promise.race(answers))).toBe(true);
    expect(harness.provider.received).toHaveLength(1);
    // Once the first is charged, what it left of its hold does not cover the second.
    await gate.open();
    const statuses = (await Promise.all(answers)).map(({ status }) => status);
    expect(statuses.sort()).toEqual([200, 402]);
    expect(await balancesOf(job)).toEqual([0n, 13n]);
    await replica.app.close();
    await replica.stop();
  });

  test("is one of two at most, of however many a replica is asked for", async () => {
    const jobs = await Promise.all(Array.from({ length: 8 }, () => harness.openJob()));
    await gate.shut();
    const answers = Promise.all(jobs.map((job) => job.by.send(job.chat())));
    expect(await isPending(answers)).toBe(true);
    expect(harness.provider.received.length).toBeGreaterThan(0);
    expect(harness.provider.received.length).toBeLessThanOrEqual(2);
    await gate.open();
    expect((await answers).map(({ status }) => status)).toEqual(jobs.map(() => 200));
    for (const job of jobs) expect(await balancesOf(job)).toEqual([0n, 13n]);
  });

  test("takes the report of a provider that is faster than the disk", async () => {
    const job = await harness.openJob({ countersigned: true });
    const provider = await harness.caller();
    const report = async (): Promise<unknown> => {
      const embedded = { providerId: 2, modelHash: UsageReceipt.modelHash("embed-1") };
      const signed = signReport(harness, { ...embedded, inputTokens: 7n, outputTokens: 0n });
      const { text } = await provider.send({ path: "/v1/usage/emit", body: UsageReport.toJson(signed) });
      return JSON.parse(text);
    };
    const embed = {
      path: "/v1/embeddings",
      body: { model: "embed-1", input: "some text" },
      token: job.token,
      maxCostNano: 1_000n,
      headers: { "idempotency-key": "reported" },
    };
    // The same call has an attempt that was given back, which must not be taken for the one that is on its way.
    harness.provider.answer = refuse;
    expect((await job.by.send(embed)).status).toBe(400);
    expect(await statesOf(job)).toEqual(["released"]);

    harness.provider.answer = answerUsual;
    await gate.shut();
    const answer = job.by.send(embed);
    await forwarded(2);
    const verdict = report();
    expect(await isPending(verdict)).toBe(true);
    await gate.open();
    expect(await verdict).toEqual({ late: false, agrees: null });
    expect((await answer).headers["x-cost-nano"]).toBe("7");
    const [usage] = (await feedOf(harness.pool, job.jobId)).filter(({ kind }) => kind === "usage");
    expect(usage).toMatchObject({ body: { receipt: { countersigned: true } } });
  });
});

describe("a hold that was taken and does not become durable", () => {
  const losses = [
    { loss: "because its commit fails", lose: () => gate.fail() },
    { loss: "because its server process ends", lose: () => gate.killWaiting() },
  ];
  const answers: { progress: string; answering: Answering }[] = [
    { progress: "its provider works", answering: silent },
    { progress: "its answer waits", answering: answerUsual },
    {
      progress: "its stream waits",
      answering: (_received, response) => {
        response.writeHead(200, { "content-type": "text/event-stream" }).write(chunkOf("one"));
      },
    },
    { progress: "a refusal waits", answering: refuse },
  ];
  const cases = losses.flatMap((loss) => answers.map((answer) => ({ ...loss, ...answer })));

  test.each(cases)("$loss, while $progress, ends its call and leaves nothing behind", async (each) => {
    const job = await harness.openJob();
    const extra = { stream: each.progress.includes("stream") };
    harness.provider.answer = each.answering;
    await gate.shut();
    const answer = job.by.send(keyed(job, extra));
    await forwarded();
    expect(await isPending(answer)).toBe(true);
    await each.lose();
    await gate.open();
    const { status, text } = await answer;
    expect([status, codeOf(text)]).toEqual([503, "store_unavailable"]);
    expect(text).not.toContain("one");
    expect([await statesOf(job), await balancesOf(job)]).toEqual([[], [0n, 0n]]);

    // The same call, under the same key, is a first call again.
    await gate.reset();
    harness.provider.answer = answerUsual;
    const again = await job.by.send(keyed(job, extra));
    expect(again.status).toBe(200);
    expect([await statesOf(job), await balancesOf(job)]).toEqual([["captured"], [0n, 13n]]);
  });

  test("as far as anybody can tell, though the store has it, is given back", async () => {
    const proxy = new StoreProxy(harness.databaseUrl);
    const pool = createPool({ url: await proxy.start(), max: 4, onIdleError: () => undefined });
    const { replica, connectUrl } = await harness.startReplica("behind-proxy", pool);
    const job = await harness.openJob();
    const by = await harness.caller(job.by.holder, { connectUrl });
    await gate.shut();
    proxy.cut({ statement: "hold_call", lose: "rest" });
    const answer = by.send(keyed(job));
    await forwarded();
    expect(await isPending(answer)).toBe(true);
    await gate.open();
    const { status, text } = await answer;
    expect([status, codeOf(text)]).toEqual([503, "store_unavailable"]);
    expect([await statesOf(job), await balancesOf(job)]).toEqual([["released"], [0n, 0n]]);

    expect((await by.send(keyed(job))).status).toBe(200);
    expect([await statesOf(job), await balancesOf(job)]).toEqual([
      ["released", "captured"],
      [0n, 13n],
    ]);
    await replica.app.close();
    await replica.stop();
    await pool.end();
    await proxy.stop();
  });

  test("breaks the exchange with its provider off", async () => {
    const job = await harness.openJob();
    const before = harness.provider.aborted;
    harness.provider.answer = silent;
    await gate.shut();
    const answer = job.by.send(job.chat());
    await forwarded();
    await gate.fail();
    await gate.open();
    expect((await answer).status).toBe(503);
    await expect.poll(() => harness.provider.aborted).toBe(before + 1);
  });
});
