import { Tariff } from "@tac/protocol";
import { expect, test } from "vitest";
import { createValidationPool } from "../src/feed/ValidationPool.ts";
import type { Job } from "../src/rules/Job.ts";
import { validateFeed } from "./support/judge.ts";
import { asServed, TestGateway } from "./support/TestGateway.ts";
import { call, domains, openJob, tariffSigner, tariffs } from "./support/World.ts";

const grounds = {
  tariffs: new Map(tariffs.map((tariff) => [Tariff.hash(tariff), tariff])),
  domains,
  tariffSigners: new Set([tariffSigner.address]),
  origins: null,
};

/** A job, calls of it of which each third is priced wrongly, and what one thread says of them. */
const feedOf = (calls: number) => {
  const gateway = new TestGateway();
  const job = openJob(gateway.account);
  const bodies = Array.from({ length: calls }, (_, index) => ({
    kind: "usage" as const,
    body: call(job, index % 3 === 0 ? { receipt: { costNano: 1n } } : {}),
  }));
  const { judged, jobs } = validateFeed(gateway, { kind: "job-opened", body: job.opened }, ...bodies);
  const texts = gateway.events.slice(1).map(asServed);
  return { texts, jobs, expected: judged.slice(1).map(({ verdict }) => verdict) };
};

test("threads judge a page as one thread does, in its order", async () => {
  const { texts, jobs, expected } = feedOf(420);
  expect(expected.filter(({ ok }) => ok)).toHaveLength(280);
  for (const threads of [0, 2]) {
    const pool = createValidationPool(threads);
    const examined = await pool.validate({ ...grounds, texts, jobs });
    expect(examined.map(({ verdict }) => verdict)).toEqual(expected);
    expect(examined.map(({ seq }) => seq)).toEqual(texts.map((_, index) => BigInt(index + 2)));
    expect(examined.every(({ isHashed }) => isHashed)).toBe(true);
    expect(await pool.validate({ ...grounds, jobs, texts: [] })).toEqual([]);
    await pool.close();
  }
});

test("threads judge by the jobs of their task alone, and those only behind their opening", async () => {
  const { texts, jobs } = feedOf(420);
  const later = new Map<string, Job>([...jobs].map(([jobId, job]) => [jobId, { ...job, openedSeq: 1_000n }]));
  for (const threads of [0, 2]) {
    const pool = createValidationPool(threads);
    await pool.validate({ ...grounds, texts, jobs });
    for (const others of [new Map<string, Job>(), later]) {
      const examined = await pool.validate({ ...grounds, texts, jobs: others });
      const codes = new Set(examined.map(({ verdict }) => (verdict.ok ? "ok" : verdict.code)));
      expect([...codes]).toEqual(["unknown_job"]);
    }
    await pool.close();
  }
});

test("what is no event fails the page, on whatever thread it is read", async () => {
  const { texts, jobs } = feedOf(200);
  for (const threads of [0, 1])
    for (const place of [0, 199]) {
      const pool = createValidationPool(threads);
      const broken = texts.map((text, index) =>
        index === place ? text.replace(/"seq":"\d+"/, '"seq":"-1"') : text,
      );
      await expect(pool.validate({ ...grounds, texts: broken, jobs })).rejects.toThrow(/seq/);
      await pool.close();
    }
});

test("a closed pool fails what was asked of its threads instead of leaving it open", async () => {
  const { texts, jobs } = feedOf(200);
  const pool = createValidationPool(1);
  const outcome = expect(pool.validate({ ...grounds, texts, jobs })).rejects.toThrow(/validation thread/);
  await pool.close();
  await outcome;
});
