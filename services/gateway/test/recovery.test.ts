import { Pricing, UsageReceipt } from "@tac/protocol";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { Replica } from "../src/call/Replica.ts";
import { hexOf } from "../src/ledger/bytes.ts";
import { feedOf } from "./support/feedOf.ts";
import { type Harness, startHarness } from "./support/harness.ts";
import { chunkOf } from "./support/TestProvider.ts";

let harness: Harness;
beforeAll(async () => {
  // A long silence of the provider stands for a gateway that dies while it waits.
  harness = await startHarness({ upstreamTimeoutMs: 60_000 });
});
afterEach(() => harness.reset());
afterAll(() => harness.stop());

const sleep = (delayMs: number) => new Promise((resolve) => setTimeout(resolve, delayMs));

/** Leaves the running calls to nobody: their owner is a run of a replica that is gone. */
const abandon = async (replicaId: string, leaseMs: number) => {
  const incarnation = `${replicaId}:gone-${Math.random()}`;
  await harness.pool.query("INSERT INTO replicas VALUES ($1, $2, store_now_ms() + $3::bigint)", [
    incarnation,
    replicaId,
    leaseMs,
  ]);
  await harness.pool.query("UPDATE calls SET owner = $1 WHERE state IN ('held', 'delivered')", [incarnation]);
  await harness.pool.query("UPDATE running_calls SET owner = $1", [incarnation]);
};

const restart = async (replicaId: string) => {
  const next = await harness.makeGateway({ replicaId });
  const recovered = await next.start();
  await next.stop();
  await next.app.close();
  return recovered;
};

const begin = async (stream: boolean) => {
  const job = await harness.openJob();
  harness.provider.answer = (_received, response) => {
    if (stream)
      response
        .writeHead(200, { "content-type": "text/event-stream" })
        .write(chunkOf("1234") + chunkOf("5678"));
  };
  const call = job.by.begin(job.chat({ stream })).then(
    async ({ body }) => body.dump(),
    () => undefined,
  );
  const held = stream ? "delivered" : "held";
  await expect
    .poll(async () => (await harness.pool.query("SELECT state FROM calls WHERE state = $1", [held])).rowCount)
    .toBe(1);
  return { job, call };
};

describe("after a crash", () => {
  test("a call of which nothing was delivered is released, and costs nothing", async () => {
    const { job, call } = await begin(false);
    await abandon("replica-1", 60_000);
    expect(await restart("replica-1")).toEqual({ released: 1, captured: 0 });
    const audit = await harness.audit(job.jobId);
    expect(audit.problems).toEqual([]);
    expect([audit.balances.get("available"), audit.balances.get("held")]).toEqual([100_000n, 0n]);
    await job.by.close();
    await call;
  });

  test("a stream is charged for what its last checkpoint says was delivered, once", async () => {
    const { job, call } = await begin(true);
    await sleep(100);
    const { rows } = await harness.pool.query<{ metered_units: unknown; response_hash: Buffer }>(
      "SELECT metered_units, response_hash FROM calls WHERE state = 'delivered'",
    );
    await abandon("replica-1", 60_000);
    expect(await restart("replica-1")).toEqual({ released: 0, captured: 1 });
    expect(await restart("replica-1")).toEqual({ released: 0, captured: 0 });
    const [, usage] = await feedOf(harness.pool, job.jobId);
    if (usage?.kind !== "usage") throw new Error("no usage event");
    const { receipt } = usage.body;
    expect(Pricing.unitsToJson(UsageReceipt.units(receipt))).toEqual(rows[0]?.metered_units);
    expect(receipt.outputTokens).toBeGreaterThan(0n);
    expect(receipt.responseHash).toBe(hexOf(rows[0]?.response_hash ?? Buffer.alloc(0)));
    expect((await harness.audit(job.jobId)).problems).toEqual([]);

    // The run that was thought dead wakes up: its own end of the call changes nothing any more.
    await job.by.close();
    await call;
    await sleep(300);
    expect((await feedOf(harness.pool, job.jobId)).filter(({ kind }) => kind === "usage")).toHaveLength(1);
    expect((await harness.audit(job.jobId)).balances.get("provider:1")).toBe(receipt.costNano);
  });

  test("a call that cannot be ended keeps no other from its end, and ends once it can", async () => {
    const broken = await begin(true);
    await sleep(100);
    const { rows } = await harness.pool.query<{ call_id: Buffer; metered_units: unknown }>(
      "SELECT call_id, metered_units FROM calls WHERE state = 'delivered'",
    );
    const { call_id: callId, metered_units: units } = rows[0] ?? {};
    const setUnits = (value: unknown) =>
      harness.pool.query("UPDATE calls SET metered_units = $2 WHERE call_id = $1", [
        callId,
        JSON.stringify(value),
      ]);
    await setUnits({ inputTokens: "some" });
    const sound = await begin(false);
    await abandon("replica-1", 60_000);
    expect(await restart("replica-1")).toEqual({ released: 1, captured: 0 });
    expect((await harness.audit(sound.job.jobId)).balances.get("held")).toBe(0n);
    await setUnits(units);
    expect(await restart("replica-1")).toEqual({ released: 0, captured: 1 });
    for (const { job, call } of [broken, sound]) {
      expect((await harness.audit(job.jobId)).problems).toEqual([]);
      await job.by.close();
      await call;
    }
  });

  test("a replica whose clock jumps ahead ends no call of one that lives", async () => {
    const { job, call } = await begin(false);
    const skew = vi
      .spyOn(Date, "now")
      .mockImplementation(() => performance.timeOrigin + performance.now() + 600_000);
    try {
      const replica = new Replica(harness.pool, "replica-9");
      await replica.renew();
      expect(await restart("replica-3")).toEqual({ released: 0, captured: 0 });
      const { rows } = await harness.pool.query<{ left_ms: bigint }>(
        "SELECT lease_until_ms - store_now_ms() AS left_ms FROM replicas WHERE incarnation = $1",
        [replica.incarnation],
      );
      expect(Number(rows[0]?.left_ms)).toBeLessThanOrEqual(30_000);
      await replica.release();
    } finally {
      skew.mockRestore();
    }
    expect((await harness.audit(job.jobId)).balances.get("held")).toBeGreaterThan(0n);
    await job.by.close();
    await call;
  });

  test("calls of a living replica are left alone, those of one whose lease lapsed are not", async () => {
    const { job, call } = await begin(false);
    await abandon("replica-2", 60_000);
    expect(await restart("replica-3")).toEqual({ released: 0, captured: 0 });
    await harness.pool.query("UPDATE replicas SET lease_until_ms = 0 WHERE replica_id = 'replica-2'");
    expect(await restart("replica-3")).toEqual({ released: 1, captured: 0 });
    expect((await harness.audit(job.jobId)).balances.get("held")).toBe(0n);
    await job.by.close();
    await call;
  });
});

test("without its store the gateway lets nothing through", async () => {
  const job = await harness.openJob();
  const held = await harness.pool.query("SELECT count(*) FROM calls");
  await harness.pool.query("ALTER FUNCTION hold_call RENAME TO hold_call_gone");
  const answer = await job.by.send(job.chat());
  await harness.pool.query("ALTER FUNCTION hold_call_gone RENAME TO hold_call");
  expect(answer.status).toBeGreaterThanOrEqual(500);
  expect(harness.provider.received).toEqual([]);
  expect((await harness.pool.query("SELECT count(*) FROM calls")).rows).toEqual(held.rows);
});
