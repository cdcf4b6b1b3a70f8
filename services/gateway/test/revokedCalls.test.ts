import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { bytesOf } from "../src/ledger/bytes.ts";
import { RevocationStore } from "../src/revocation/RevocationStore.ts";
import { outcomeOf } from "./support/answers.ts";
import { feedOf } from "./support/feedOf.ts";
import { type Harness, startHarness } from "./support/harness.ts";
import { beginHeldStream } from "./support/heldStream.ts";
import { nowSeconds } from "./support/nowSeconds.ts";
import { postRevocation, revokeOneBody, takenOf, taskOf } from "./support/revocations.ts";

let harness: Harness;
beforeAll(async () => {
  harness = await startHarness();
});
afterEach(() => harness.reset());
afterAll(() => harness.stop());

describe("calls that run while their capability is revoked", () => {
  test("by a signature end first, and settle before it goes on chain", async () => {
    const job = await harness.openJob();
    const { text, finish } = await beginHeldStream(harness, job);
    takenOf(await postRevocation(harness, revokeOneBody(job, { deadline: nowSeconds() + 600n })));
    const again = await harness.caller(job.by.holder);
    expect(outcomeOf(await again.send(job.chat()))).toBe("capability_revoked");
    await sleep(1_500);
    expect(await taskOf(harness.pool, job.jobId)).toBeNull();
    const store = new RevocationStore(harness.pool, Date.now);
    const waiting = await store.openTaskCount();
    finish();
    expect(await text).toContain("late");
    await expect.poll(() => taskOf(harness.pool, job.jobId), { timeout: 6_000 }).toBe("done");
    expect(await store.openTaskCount()).toBe(waiting - 1);
    expect((await harness.audit(job.jobId)).balances.get("provider:1")).toBe(12n);
  });

  test.each([
    ["alone", false],
    ["with all of its tenant's", true],
  ])("on chain %s are broken off, and what was delivered is charged", async (_what, isOfAll) => {
    const [job, other] = [await harness.openJob(), await harness.openJob()];
    const { tenant } = job.grant.capability;
    const stream = await beginHeldStream(harness, job);
    const untouched = await beginHeldStream(harness, other);
    harness.chain.revoke(tenant, isOfAll ? null : job.jobId);
    const text = await stream.text;
    expect(text).toContain("early");
    expect(text).not.toContain("late");
    expect(text).toContain('"code":"capability_revoked"');
    const { balances, problems } = await harness.audit(job.jobId);
    expect([balances.get("held") ?? 0n, problems]).toEqual([0n, []]);
    expect(balances.get("provider:1")).toBeGreaterThan(0n);
    untouched.finish();
    expect(await untouched.text).toContain("late");
    stream.finish();
  });

  test.each([
    ["an answer", false],
    ["the first event of a stream", true],
  ])("on chain, before %s has come, cost nothing, and say why", async (_what, isStream) => {
    const job = await harness.openJob();
    harness.provider.answer = (_received, response) => {
      if (isStream) response.writeHead(200, { "content-type": "text/event-stream" }).write(": wait\n\n");
    };
    const call = job.by.send(job.chat({ stream: isStream }));
    await expect.poll(() => harness.provider.received.length).toBeGreaterThan(0);
    harness.chain.revoke(job.grant.capability.tenant, job.jobId);
    expect((await call).text).toContain('"code":"capability_revoked"');
    expect((await harness.audit(job.jobId)).balances.get("available")).toBe(100_000n);
    const { rows } = await harness.pool.query("SELECT state, outcome FROM calls WHERE job_id = $1", [
      bytesOf(job.jobId),
    ]);
    expect(rows).toEqual([{ state: "released", outcome: "capability_revoked" }]);
  });
});

test("a stream admitted before its revocation on chain ends with it, and is charged as of its admission", async () => {
  const job = await harness.openJob();
  const startedAtMs = Date.now();
  const stream = await beginHeldStream(harness, job);
  const admittedByMs = Date.now();
  await sleep(1_100);
  harness.chain.revoke(job.grant.capability.tenant, job.jobId);
  const other = await harness.caller(job.by.holder);
  await expect
    .poll(async () => outcomeOf(await other.send(job.chat())), { timeout: 5_000 })
    .toBe("capability_revoked");
  const text = await stream.text;
  expect([text.includes("early "), text.includes('"code":"capability_revoked"')]).toEqual([true, true]);
  const usage = (await feedOf(harness.pool, job.jobId)).findLast(({ kind }) => kind === "usage");
  if (usage?.kind !== "usage") throw new Error("no usage event");
  const { occurredAtMs } = usage.body.receipt;
  // Dated by the store's clock, which is known to half of a round trip.
  const roundTripMs = 100;
  expect(Number(occurredAtMs)).toBeGreaterThanOrEqual(startedAtMs - roundTripMs);
  expect(Number(occurredAtMs)).toBeLessThanOrEqual(admittedByMs + roundTripMs);
  expect(occurredAtMs).toBeLessThan(usage.recordedAtMs - 1_000n);
});
