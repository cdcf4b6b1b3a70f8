import { once } from "node:events";
import { UsageReport } from "@tac/protocol";
import type { Hex } from "viem";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { type Harness, startHarness, type TestJob } from "./support/harness.ts";
import { hex32 } from "./support/hex32.ts";
import { providerKey } from "./support/identities.ts";
import { signReport } from "./support/signReport.ts";
import type { TestCaller } from "./support/TestCaller.ts";
import { chunkOf } from "./support/TestProvider.ts";

const REPORT_WAIT_MS = 1_000;

let harness: Harness;
let provider: TestCaller;
beforeAll(async () => {
  harness = await startHarness({}, "emit");
  provider = await harness.caller();
});
afterEach(() => harness.reset());
afterAll(() => harness.stop());

type Counts = { inputTokens: bigint; outputTokens: bigint };

/** A stream whose provider reports once the gateway has cut it, if it reports at all. */
const streamReporting = (counts: Counts | null, key: Hex = providerKey): void => {
  harness.provider.answer = (_received, response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.write(chunkOf("one") + chunkOf(" two"));
    if (counts === null) return;
    response.once("close", () => {
      void provider.send({
        path: "/v1/usage/emit",
        body: UsageReport.toJson(signReport(harness, counts, key)),
      });
    });
  };
};

/** Begins a stream and hangs up after its first events. */
const hangUpOn = async (job: TestJob): Promise<void> => {
  const { body } = await job.by.begin(job.chat({ stream: true }));
  await once(body, "data");
  await job.by.close();
};
const heldNano = async ({ jobId }: TestJob) => (await harness.audit(jobId)).balances.get("held");
const ends = (job: TestJob) =>
  expect.poll(() => heldNano(job), { timeout: REPORT_WAIT_MS + 3_000, interval: 50 }).toBe(0n);
const paidNano = async ({ jobId }: TestJob): Promise<bigint> => {
  const { balances, problems } = await harness.audit(jobId);
  expect(problems).toEqual([]);
  return balances.get("provider:1") ?? 0n;
};

describe("a stream that its caller leaves, of a job that demands countersignatures", () => {
  test("costs what the provider signs within the wait, when that is no more than was delivered", async () => {
    const job = await harness.openJob({ countersigned: true });
    streamReporting({ inputTokens: 9n, outputTokens: 2n });
    await hangUpOn(job);
    await ends(job);
    expect(await paidNano(job)).toBe(11n);
    const { rows } = await harness.pool.query<{ outcome: string; countersigned: boolean }>(
      `SELECT c.outcome, (e.event->'body'->'receipt'->>'countersigned')::boolean AS countersigned
         FROM calls c JOIN feed_events e ON e.gateway = c.feed_gateway AND e.seq = c.feed_seq
        WHERE c.job_id = decode($1, 'hex')`,
      [job.jobId.slice(2)],
    );
    expect(rows).toEqual([{ outcome: "disconnected", countersigned: true }]);
  });

  test.each<[string, Counts | null, Hex]>([
    ["reports nothing", null, providerKey],
    ["reports more than was delivered", { inputTokens: 9n, outputTokens: 400n }, providerKey],
    ["reports under a key that is not its own", { inputTokens: 9n, outputTokens: 2n }, hex32()],
  ])("costs nothing when the provider %s", async (_what, counts, key) => {
    const job = await harness.openJob({ countersigned: true });
    streamReporting(counts, key);
    await hangUpOn(job);
    expect(await heldNano(job)).toBeGreaterThan(0n);
    await ends(job);
    expect(await paidNano(job)).toBe(0n);
    expect((await harness.audit(job.jobId)).balances.get("available")).toBe(100_000n);
  });
});

test("one that its provider breaks off costs what that provider signs", async () => {
  const job = await harness.openJob({ countersigned: true });
  harness.provider.answer = async (_received, response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.write(chunkOf("one") + chunkOf(" two"));
    await new Promise((resolve) => setTimeout(resolve, 100));
    const signed = signReport(harness, { inputTokens: 9n, outputTokens: 2n });
    response.destroy();
    await provider.send({ path: "/v1/usage/emit", body: UsageReport.toJson(signed) });
  };
  const answer = await job.by.send(job.chat({ stream: true }));
  expect(answer.text).toContain("provider_error");
  expect(await paidNano(job)).toBe(11n);
});

test("a job that demands none waits for none, and pays for what was delivered", async () => {
  const job = await harness.openJob();
  streamReporting(null);
  const leftAtMs = Date.now();
  await hangUpOn(job);
  await ends(job);
  expect(Date.now() - leftAtMs).toBeLessThan(REPORT_WAIT_MS);
  expect(await paidNano(job)).toBeGreaterThan(0n);
});
