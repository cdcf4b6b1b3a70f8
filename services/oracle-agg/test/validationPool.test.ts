import { Tariff } from "@tac/protocol";
import { expect, test } from "vitest";
import { createValidationPool } from "../src/feed/ValidationPool.ts";
import { validateFeed } from "./support/judge.ts";
import { TestGateway } from "./support/TestGateway.ts";
import { call, domains, openJob, tariffSigner, tariffs } from "./support/World.ts";

test("threads judge a page as one thread does, in its order", async () => {
  const gateway = new TestGateway();
  const job = openJob(gateway.account);
  const bodies = Array.from({ length: 120 }, (_, index) => ({
    kind: "usage" as const,
    body: call(job, index % 3 === 0 ? { receipt: { costNano: 1n } } : {}),
  }));
  const { judged, jobs } = validateFeed(gateway, { kind: "job-opened", body: job.opened }, ...bodies);
  const task = {
    events: gateway.events.slice(1),
    jobs,
    tariffs: new Map(tariffs.map((tariff) => [Tariff.hash(tariff), tariff])),
    domains,
    tariffSigners: new Set([tariffSigner.address]),
    origins: null,
  };
  const expected = judged.slice(1).map(({ verdict }) => verdict);
  expect(expected.filter(({ ok }) => ok)).toHaveLength(80);
  for (const threads of [0, 2]) {
    const pool = createValidationPool(threads);
    expect(await pool.validate(task)).toEqual(expected);
    expect(await pool.validate({ ...task, events: [] })).toEqual([]);
    await pool.close();
  }
});

test("a closed pool fails what was asked of its threads instead of leaving it open", async () => {
  const gateway = new TestGateway();
  const job = openJob(gateway.account);
  const bodies = Array.from({ length: 80 }, () => ({ kind: "usage" as const, body: call(job) }));
  const { jobs } = validateFeed(gateway, { kind: "job-opened", body: job.opened }, ...bodies);
  const pool = createValidationPool(1);
  const asked = pool.validate({
    events: gateway.events.slice(1),
    jobs,
    tariffs: new Map(),
    domains,
    tariffSigners: new Set(),
    origins: null,
  });
  const outcome = expect(asked).rejects.toThrow(/validation thread/);
  await pool.close();
  await outcome;
});
