import { setTimeout as sleep } from "node:timers/promises";
import type { Hex } from "viem";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { bytesOf } from "../src/ledger/bytes.ts";
import { outcomeOf } from "./support/answers.ts";
import { grantBody, makeGrant } from "./support/grants.ts";
import { type Harness, startHarness, type TestJob } from "./support/harness.ts";
import { hex32 } from "./support/hex32.ts";
import { nowSeconds } from "./support/nowSeconds.ts";
import { postRevocation, revokeAllBody, takenOf } from "./support/revocations.ts";

let harness: Harness;
beforeAll(async () => {
  harness = await startHarness();
});
afterEach(() => harness.reset());
afterAll(() => harness.stop());

describe("a tenant's signed revocation of all", () => {
  test("stops every job valid by then, and a job locked later with an earlier capability", async () => {
    const job = await harness.openJob();
    const held = makeGrant(job.by.holder.jwk, job.grant.tenantKey);
    const answer = takenOf(await postRevocation(harness, revokeAllBody(job)));
    expect(answer).toMatchObject({ jobIds: [job.jobId], chain: "tenant" });
    expect(outcomeOf(await job.by.send(job.chat()))).toBe("capability_revoked");
    const late = await job.by.send({ path: "/v1/jobs/lock", body: grantBody(held) });
    expect(late.status, late.text).toBe(200);
    expect(JSON.parse(late.text)).toMatchObject({ endedBy: "capability_revoked" });
    const fresh = makeGrant(job.by.holder.jwk, job.grant.tenantKey);
    await sleep(1_000);
    fresh.capability.validAfter = nowSeconds();
    const later = await job.by.send({ path: "/v1/jobs/lock", body: grantBody(fresh) });
    expect(JSON.parse(later.text)).toMatchObject({ endedBy: null });
  });

  test.each<[string, string, (job: TestJob) => object]>([
    ["signed by another", "invalid_signature", (job) => revokeAllBody(job, { key: hex32() })],
    ["from the future", "invalid_request", (job) => revokeAllBody(job, { revokedAt: nowSeconds() + 60n })],
    ["handed in too late", "invalid_signature", (job) => revokeAllBody(job, { deadline: nowSeconds() - 1n })],
    [
      "with no end that a date could have",
      "invalid_request",
      (job) => revokeAllBody(job, { deadline: 2n ** 63n }),
    ],
  ])("%s is refused", async (_what, code, bodyOf) => {
    const job = await harness.openJob();
    expect(outcomeOf(await postRevocation(harness, bodyOf(job)))).toBe(code);
    expect(outcomeOf(await job.by.send(job.chat()))).toBe("ok");
  });

  test("is kept once, in its latest form, and never for a stranger", async () => {
    const countOf = async (tenant: Hex): Promise<number> => {
      const { rows } = await harness.pool.query("SELECT FROM tenant_revocations WHERE tenant = $1", [
        bytesOf(tenant),
      ]);
      return rows.length;
    };
    const job = await harness.openJob();
    const { tenant } = job.grant.capability;
    const revokedAt = job.grant.capability.validAfter - 10n;
    for (const earlierBy of [0n, 1n, 2n, 0n]) {
      expect(
        takenOf(await postRevocation(harness, revokeAllBody(job, { revokedAt: revokedAt - earlierBy })))
          .jobIds,
      ).toEqual([]);
    }
    expect(await countOf(tenant)).toBe(1);

    const stranger = { grant: makeGrant(job.by.holder.jwk, hex32()) };
    expect(outcomeOf(await postRevocation(harness, revokeAllBody(stranger)))).toBe("unknown_job");
    expect(await countOf(stranger.grant.capability.tenant)).toBe(0);
    harness.chain.balances.set(stranger.grant.capability.tenant, 1n);
    expect(takenOf(await postRevocation(harness, revokeAllBody(stranger))).jobIds).toEqual([]);
    expect(await countOf(stranger.grant.capability.tenant)).toBe(1);
  });
});
