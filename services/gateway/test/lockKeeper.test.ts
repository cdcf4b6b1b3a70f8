import { createLogger } from "@tac/kit";
import type { Hex } from "viem";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import type { ChainPort } from "../src/chain/ChainPort.ts";
import { bytesOf } from "../src/ledger/bytes.ts";
import { LockKeeper } from "../src/release/LockKeeper.ts";
import { ReleaseStore } from "../src/release/ReleaseStore.ts";
import { UNPAID_WAIT_SECONDS } from "../src/release/releaseStep.ts";
import { type Harness, startHarness, type TestJob } from "./support/harness.ts";

const MARGIN_SECONDS = 60;

let harness: Harness;
let releasedCount = 0;
beforeAll(async () => {
  harness = await startHarness();
});
afterEach(async () => {
  harness.chain.nowSeconds = null;
  harness.chain.releaseCount = 0;
  releasedCount = 0;
  harness.reset();
  await harness.pool.query("UPDATE lock_releases SET done_at_ms = 0");
});
afterAll(() => harness.stop());

const keeper = (
  chain: Pick<ChainPort, "lockRelease" | "submitRelease"> = harness.chain,
  perMinute = 20,
): LockKeeper =>
  new LockKeeper({
    store: new ReleaseStore(harness.runtimePool),
    chain,
    logger: createLogger({ service: "gateway", level: "silent" }),
    onReleased: () => {
      releasedCount += 1;
    },
    settings: { perMinute, marginSeconds: MARGIN_SECONDS },
  });

/** A job that was left as it is, and whose capability has expired. */
const openEnded = async (): Promise<TestJob> => {
  const job = await harness.openJob();
  await expire(job.jobId);
  return job;
};
const expire = (jobId: Hex) =>
  harness.pool.query("UPDATE jobs SET expires_at_ms = store_now_ms() - 1 WHERE job_id = $1", [
    bytesOf(jobId),
  ]);
const setChainTime = ({ grant }: TestJob, secondsAfterGrace: number): void => {
  harness.chain.nowSeconds =
    Number(grant.capability.expiresAt) + harness.chain.graceSeconds + secondsAfterGrace;
};
const makeDue = (...jobs: TestJob[]) =>
  harness.pool.query("UPDATE lock_releases SET due_at_ms = 0 WHERE job_id = ANY($1)", [
    jobs.map(({ jobId }) => bytesOf(jobId)),
  ]);
const stateOf = async ({ jobId }: TestJob) => (await harness.chain.lockOf(jobId)).state;
const isDone = async ({ jobId }: TestJob): Promise<boolean> => {
  const { rows } = await harness.pool.query<{ done: boolean }>(
    "SELECT done_at_ms IS NOT NULL AS done FROM lock_releases WHERE job_id = $1",
    [bytesOf(jobId)],
  );
  return rows[0]?.done ?? false;
};
const statusOf = async ({ jobId }: TestJob): Promise<string | undefined> => {
  const { rows } = await harness.pool.query<{ status: string }>("SELECT status FROM jobs WHERE job_id = $1", [
    bytesOf(jobId),
  ]);
  return rows[0]?.status;
};

test("a lock nobody settled is released after its margin, and its job is then settled", async () => {
  const job = await openEnded();
  setChainTime(job, MARGIN_SECONDS - 1);
  expect(await keeper().work()).toBe(1);
  expect(await stateOf(job)).toBe("open");
  expect(await keeper().work()).toBe(0);

  setChainTime(job, MARGIN_SECONDS);
  await makeDue(job);
  await keeper().work();
  expect([await stateOf(job), releasedCount]).toEqual(["closed", 1]);
  await expect.poll(() => statusOf(job), { timeout: 5_000 }).toBe("settled");
});

test("a job that has not expired is left alone", async () => {
  const job = await harness.openJob();
  setChainTime(job, MARGIN_SECONDS);
  expect(await keeper().work()).toBe(0);
  expect(await stateOf(job)).toBe("open");
});

test("a lock with charges that the chain has not paid waits a day more, and no longer", async () => {
  const job = await harness.openJob();
  expect((await job.by.send(job.chat())).status).toBe(200);
  await expire(job.jobId);
  setChainTime(job, MARGIN_SECONDS + UNPAID_WAIT_SECONDS - 1);
  await keeper().work();
  expect(await stateOf(job)).toBe("open");
  setChainTime(job, MARGIN_SECONDS + UNPAID_WAIT_SECONDS);
  await makeDue(job);
  await keeper().work();
  expect(await stateOf(job)).toBe("closed");
});

test("two replicas at once send one transaction a lock", async () => {
  const jobs = [await openEnded(), await openEnded(), await openEnded()];
  for (const job of jobs) setChainTime(job, MARGIN_SECONDS + 10);
  const looked = await Promise.all([keeper().work(), keeper().work()]);
  expect(looked[0] + looked[1]).toBe(3);
  expect(harness.chain.releaseCount).toBe(3);
});

test("that somebody else was quicker is no error", async () => {
  const job = await openEnded();
  setChainTime(job, MARGIN_SECONDS);
  const overtaken = {
    lockRelease: (jobId: Hex) => harness.chain.lockRelease(jobId),
    submitRelease: (jobId: Hex) => {
      harness.chain.release(jobId);
      return harness.chain.submitRelease(jobId);
    },
  };
  await keeper(overtaken).work();
  expect(releasedCount).toBe(0);
  await makeDue(job);
  await keeper().work();
  expect(await isDone(job)).toBe(true);
});

test("a release that a reorganisation undoes is made again", async () => {
  const job = await openEnded();
  setChainTime(job, MARGIN_SECONDS);
  await keeper().work();
  const lock = harness.chain.locks.get(job.jobId);
  if (lock === undefined) throw new Error("no lock");
  lock.isClosed = false;
  expect(await isDone(job)).toBe(false);
  await makeDue(job);
  await keeper().work();
  expect([await stateOf(job), releasedCount, await isDone(job)]).toEqual(["closed", 2, false]);
  await makeDue(job);
  await keeper().work();
  expect(await isDone(job)).toBe(true);
});

test("a chain that is away puts it off", async () => {
  const job = await openEnded();
  setChainTime(job, MARGIN_SECONDS);
  harness.chain.isDown = true;
  await keeper().work();
  expect(await isDone(job)).toBe(false);
  harness.chain.isDown = false;
  await makeDue(job);
  await keeper().work();
  expect(await stateOf(job)).toBe("closed");
});

test("a minute takes no more than its bound, the oldest first", async () => {
  const [one, two] = [await openEnded(), await openEnded()];
  for (const job of [one, two]) setChainTime(job, MARGIN_SECONDS + 10);
  await harness.pool.query("UPDATE jobs SET expires_at_ms = 1 WHERE job_id = $1", [bytesOf(two.jobId)]);
  expect(await keeper(harness.chain, 1).work()).toBe(1);
  expect([await stateOf(one), await stateOf(two)]).toEqual(["open", "closed"]);
  expect(await keeper(harness.chain, 1).work()).toBe(1);
  expect(await stateOf(one)).toBe("closed");
});
