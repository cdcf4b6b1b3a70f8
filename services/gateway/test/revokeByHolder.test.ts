import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { outcomeOf } from "./support/answers.ts";
import { feedOf } from "./support/feedOf.ts";
import { type Harness, startHarness, type TestJob } from "./support/harness.ts";
import { beginHeldStream } from "./support/heldStream.ts";
import { postRevocation, takenOf } from "./support/revocations.ts";
import type { TestCaller } from "./support/TestCaller.ts";

let harness: Harness;
beforeAll(async () => {
  harness = await startHarness();
});
afterEach(() => harness.reset());
afterAll(() => harness.stop());

describe("a holder's revocation of its own capability", () => {
  const revoke = (job: TestJob, by: TestCaller = job.by, jobId = job.jobId) =>
    by.send({ path: "/v1/revocations", body: { jobId }, token: job.token });

  test("stops its calls, and ends the job in the feed once the last call has ended", async () => {
    const job = await harness.openJob();
    const stream = await beginHeldStream(harness, job);
    const again = await harness.caller(job.by.holder);
    expect(takenOf(await revoke(job, again))).toMatchObject({ jobIds: [job.jobId], chain: "feed" });
    expect(outcomeOf(await again.send(job.chat()))).toBe("capability_revoked");
    expect((await feedOf(harness.pool, job.jobId)).map(({ kind }) => kind)).toEqual(["job-opened"]);
    stream.finish();
    await stream.text;
    const kinds = async () => (await feedOf(harness.pool, job.jobId)).map(({ kind }) => kind);
    await expect.poll(kinds, { timeout: 8_000 }).toEqual(["job-opened", "usage", "job-closed"]);
    expect(takenOf(await revoke(job, again)).jobIds).toEqual([job.jobId]);
    expect(await kinds()).toHaveLength(3);
  });

  test("takes the holder's key and this very job", async () => {
    const [job, other] = [await harness.openJob(), await harness.openJob()];
    expect(outcomeOf(await revoke(job, other.by))).toBe("invalid_proof");
    expect(outcomeOf(await revoke(job, job.by, other.jobId))).toBe("wrong_job");
    expect(outcomeOf(await postRevocation(harness, { jobId: job.jobId }))).toBe("invalid_usage_auth");
    const proof = job.by.proofFor({ path: "/v1/revocations", body: { jobId: job.jobId }, token: job.token });
    const sent = { path: "/v1/revocations", body: { jobId: job.jobId }, token: job.token, proof };
    expect(outcomeOf(await job.by.send(job.chat()))).toBe("ok");
    expect(outcomeOf(await job.by.send(sent))).toBe("ok");
    expect(outcomeOf(await job.by.send(sent))).toBe("proof_replayed");
  });
});
