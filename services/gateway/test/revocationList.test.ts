import { setTimeout as sleep } from "node:timers/promises";
import { RevocationList, Wire } from "@tac/protocol";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { outcomeOf } from "./support/answers.ts";
import { type FarReplica, startFarReplica } from "./support/farReplica.ts";
import { type Harness, startHarness } from "./support/harness.ts";
import { domains, gatewayAddress } from "./support/identities.ts";
import { postRevocation, revokeOneBody, takenOf } from "./support/revocations.ts";
import type { TestCaller } from "./support/TestCaller.ts";

const MAX_AGE_MS = 3_000;

let harness: Harness;
let far: FarReplica;
beforeAll(async () => {
  harness = await startHarness({ chainMaxAgeMs: MAX_AGE_MS });
  far = await startFarReplica(harness);
});
afterEach(() => {
  far.setCut(false);
  harness.reset();
});
afterAll(async () => {
  await far.stop();
  await harness.stop();
});

describe("GET /v1/revocations", () => {
  const list = async (after: bigint, waitMs = 0, by?: TestCaller) => {
    const caller = by ?? (await harness.caller());
    const path = `/v1/revocations?after=${after}&waitMs=${waitMs}`;
    const answer = await caller.send({ method: "GET", path });
    expect(answer.status, answer.text).toBe(200);
    const page = Wire.parse(RevocationList.schema, JSON.parse(answer.text));
    const expected = { gateway: gatewayAddress, afterSeq: after, nowMs: Date.now() };
    RevocationList.verify(page, expected, domains.usageReceipts);
    return page;
  };

  test("gives a signed list to anybody, from a number on", async () => {
    const job = await harness.openJob();
    const { head: before } = await list(0n);
    takenOf(await postRevocation(harness, revokeOneBody(job)));
    const page = await list(before.headSeq);
    expect(page.entries.map(({ jobId }) => jobId)).toEqual([job.jobId]);
    expect(page.head.toSeq).toBe(page.head.headSeq);
    expect(Number(page.entries[0]?.expiresAtMs)).toBe(Number(job.grant.capability.expiresAt) * 1000);
    expect((await list(page.head.headSeq)).entries).toEqual([]);
    expect((await list(0n)).entries.map(({ jobId }) => jobId)).toContain(job.jobId);
  });

  test("answers a waiting asker of another replica when something is revoked", async () => {
    const job = await harness.openJob();
    const by = await harness.caller(undefined, far);
    const { head } = await list(0n, 0, by);
    const startedAtMs = Date.now();
    const waiting = list(head.headSeq, 2_000, by);
    await sleep(200);
    takenOf(await postRevocation(harness, revokeOneBody(job)));
    expect((await waiting).entries.map(({ jobId }) => jobId)).toEqual([job.jobId]);
    expect(Date.now() - startedAtMs).toBeLessThan(1_900);
  });
});

test("a replica that has lost the channel refuses calls, and afterwards knows what it missed", async () => {
  const [job, revoked] = [await harness.openJob(), await harness.openJob()];
  const elsewhere = await harness.caller(job.by.holder, far);
  expect(outcomeOf(await elsewhere.send(job.chat()))).toBe("ok");
  far.setCut(true);
  await expect
    .poll(async () => outcomeOf(await elsewhere.send(job.chat())), { timeout: MAX_AGE_MS + 2_000 })
    .toBe("revocations_unavailable");
  const refused = await elsewhere.send(job.chat());
  expect([refused.status, refused.headers["retry-after"]]).toEqual([503, "1"]);
  const stale = await elsewhere.send({ method: "GET", path: "/v1/revocations" });
  expect([stale.status, outcomeOf(stale)]).toEqual([503, "revocations_unavailable"]);
  expect((await elsewhere.send({ method: "GET", path: "/healthz" })).status).toBe(503);
  takenOf(await postRevocation(harness, revokeOneBody(revoked)));
  expect(outcomeOf(await job.by.send(job.chat()))).toBe("ok");

  far.setCut(false);
  await expect.poll(async () => outcomeOf(await elsewhere.send(job.chat())), { timeout: 5_000 }).toBe("ok");
  const answer = await elsewhere.send({ method: "GET", path: "/v1/revocations" });
  const { entries } = Wire.parse(RevocationList.schema, JSON.parse(answer.text));
  expect(entries.map(({ jobId }) => jobId)).toContain(revoked.jobId);
});
