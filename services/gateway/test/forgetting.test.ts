import { afterAll, beforeAll, expect, test } from "vitest";
import { bytesOf } from "../src/ledger/bytes.ts";
import { type Harness, settingsOf, startHarness, type TestJob } from "./support/harness.ts";

let harness: Harness;
beforeAll(async () => {
  harness = await startHarness();
});
afterAll(() => harness.stop());

const kept = async ({ jobId }: TestJob): Promise<{ proofs: number; answers: number }> => {
  const { rows } = await harness.pool.query<{ proofs: bigint; answers: bigint }>(
    `SELECT (SELECT count(*) FROM used_proofs WHERE job_id = $1) AS proofs,
            (SELECT count(*) FROM answers JOIN calls USING (call_id) WHERE job_id = $1) AS answers`,
    [bytesOf(jobId)],
  );
  return { proofs: Number(rows[0]?.proofs), answers: Number(rows[0]?.answers) };
};

test("proofs that have expired and answers that are too old are forgotten, and no others", async () => {
  const [old, fresh] = [await harness.openJob(), await harness.openJob()];
  for (const { by, chat } of [old, fresh]) {
    const answer = await by.send({ ...chat(), headers: { "idempotency-key": "kept" } });
    expect(answer.status).toBe(200);
  }
  const before = await kept(fresh);
  expect(before.answers).toBe(1);
  expect(before.proofs).toBeGreaterThan(0);
  const { answerTtlMs } = settingsOf(harness.place);
  await harness.pool.query("UPDATE used_proofs SET expires_at_ms = store_now_ms() - 1 WHERE job_id = $1", [
    bytesOf(old.jobId),
  ]);
  await harness.pool.query(
    `UPDATE answers SET stored_at_ms = store_now_ms() - $2::bigint - 1
      WHERE call_id IN (SELECT call_id FROM calls WHERE job_id = $1)`,
    [bytesOf(old.jobId), answerTtlMs],
  );
  // Each replica keeps house when it starts, and then every ten seconds.
  const { replica } = await harness.startReplica("replica-2");
  await expect.poll(() => kept(old), { timeout: 5_000 }).toEqual({ proofs: 0, answers: 0 });
  expect(await kept(fresh)).toEqual(before);
  await replica.app.close();
  await replica.stop();
});
