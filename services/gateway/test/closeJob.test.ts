import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { codeOf } from "./support/answers.ts";
import { feedOf } from "./support/feedOf.ts";
import { type Harness, startHarness } from "./support/harness.ts";
import { answerUsual } from "./support/TestProvider.ts";

let harness: Harness;
beforeAll(async () => {
  harness = await startHarness();
});
afterEach(() => harness.reset());
afterAll(() => harness.stop());

describe("POST /v1/jobs/close", () => {
  test("ends a job once, and no call begins afterwards", async () => {
    const job = await harness.openJob();
    await job.by.send(job.chat());
    const close = { path: "/v1/jobs/close", body: {}, token: job.token };
    const first = JSON.parse((await job.by.send(close)).text) as { closedAtMs: number };
    const again = JSON.parse((await job.by.send(close)).text) as { closedAtMs: number };
    expect(again).toEqual({ jobId: job.jobId, closedAtMs: first.closedAtMs });
    const kinds = (await feedOf(harness.pool, job.jobId)).map(({ kind }) => kind);
    expect(kinds).toEqual(["job-opened", "usage", "job-closed"]);
    const refused = await job.by.send(job.chat());
    expect([refused.status, codeOf(refused.text)]).toEqual([409, "job_closed"]);
  });

  test("waits for running calls, but not for long", async () => {
    const job = await harness.openJob();
    harness.provider.answer = async (received, response) => {
      await sleep(1_600);
      await answerUsual(received, response);
    };
    const other = await harness.caller(job.by.holder);
    const running = job.by.send(job.chat());
    await sleep(80);
    const close = { path: "/v1/jobs/close", body: {}, token: job.token };
    const refused = await other.send(close);
    expect([refused.status, codeOf(refused.text)]).toEqual([409, "calls_running"]);
    expect(refused.headers).toMatchObject({ "retry-after": "1", "x-should-retry": "true" });
    expect((await running).status).toBe(200);
    expect((await other.send(close)).status).toBe(200);
  });
});
