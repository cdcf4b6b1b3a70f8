import { Wire } from "@tac/protocol";
import type { Hex } from "viem";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { setBudget } from "../src/ledger/Budget.ts";
import { type Harness, startHarness } from "./support/harness.ts";
import { hex32 } from "./support/hex32.ts";
import { adminToken } from "./support/identities.ts";
import { answerUsual, sendJson } from "./support/TestProvider.ts";

let harness: Harness;
beforeAll(async () => {
  harness = await startHarness({ upstreamTimeoutMs: 20_000, chainMaxAgeMs: 20_000 });
});
afterEach(() => harness.reset());
afterAll(() => harness.stop());

const errorOf = (text: string) => (JSON.parse(text) as { error: { code: string; param: string } }).error;
const tenantOf = (tenantKey: Hex) => Wire.privateKeyToAddress(tenantKey);

const ask = async (method: "GET" | "PUT", path: string, body?: unknown, token: string = adminToken) => {
  const answer = await harness.gateway.app.inject({
    method,
    url: `/v1/budgets/${path}`,
    headers: { authorization: `Bearer ${token}`, ...(body ? { "content-type": "application/json" } : {}) },
    ...(body ? { payload: JSON.stringify(body) } : {}),
  });
  return { status: answer.statusCode, body: answer.json<Record<string, unknown>>() };
};

describe("a budget above the job", () => {
  test("refuses the call that any one level does not cover, by name", async () => {
    const tenantKey = hex32();
    const tenant = tenantOf(tenantKey);
    const job = await harness.openJob({ tenantKey, owner: { team: "search", user: "ann" } });
    const levels = [
      ["tenant", ""],
      ["team", "search"],
      ["user", "ann"],
    ] as const;
    for (const [level, subject] of levels) {
      await setBudget(harness.pool, { tenant, level, subject }, { limitNano: 10n, period: "none" });
      const refused = await job.by.send(job.chat());
      expect([refused.status, errorOf(refused.text)]).toEqual([
        402,
        expect.objectContaining({ code: "over_budget", param: level }),
      ]);
      await setBudget(harness.pool, { tenant, level, subject }, { limitNano: 1_000n, period: "none" });
      expect((await job.by.send(job.chat())).status).toBe(200);
    }
    expect((await ask("GET", `${tenant}/teams/search`)).body).toMatchObject({
      heldNano: "0",
      spentNano: "39",
    });
    expect((await harness.audit(job.jobId)).problems).toEqual([]);
  });

  test("stands before every route that spends", async () => {
    const tenantKey = hex32();
    const job = await harness.openJob({ tenantKey });
    await ask("PUT", tenantOf(tenantKey), { limitNano: "1", period: "none" });
    const chat = job.chat();
    const calls = [
      chat,
      job.chat({ stream: true }),
      { ...chat, path: "/v1/embeddings", body: { model: "embed-1", input: "hello" } },
      {
        ...chat,
        path: "/v1/execute",
        body: { kind: "embeddings", model: "embed-1", input: { input: "hello" } },
      },
    ];
    for (const call of calls) {
      const answer = await job.by.send(call);
      expect([answer.status, errorOf(answer.text).code], call.path).toEqual([402, "over_budget"]);
    }
    expect(harness.provider.received).toEqual([]);
  });

  test("is shared by all jobs of its subject, and by no other's", async () => {
    const tenantKey = hex32();
    const tenant = tenantOf(tenantKey);
    const [one, two, other] = [
      await harness.openJob({ tenantKey, owner: { team: "search" } }),
      await harness.openJob({ tenantKey, owner: { team: "search" } }),
      await harness.openJob({ tenantKey, owner: { team: "ads" } }),
    ];
    const holdNano = Buffer.byteLength(JSON.stringify(one.chat().body)) + 20;
    await ask("PUT", `${tenant}/teams/search`, { limitNano: `${holdNano + 13}`, period: "month" });
    expect((await one.by.send(one.chat())).status).toBe(200);
    expect((await two.by.send(two.chat())).status).toBe(200);
    // The two calls cost 13 each, so the whole hold of a third does not fit any more.
    expect((await two.by.send(two.chat())).status).toBe(402);
    expect((await other.by.send(other.chat())).status).toBe(200);
  });

  test("admits exactly what it covers, however many jobs ask at once", async () => {
    const tenantKey = hex32();
    const tenant = tenantOf(tenantKey);
    const jobs = await Promise.all(Array.from({ length: 6 }, () => harness.openJob({ tenantKey })));
    const [first] = jobs;
    if (first === undefined) throw new Error("no job");
    const holdNano = BigInt(Buffer.byteLength(JSON.stringify(first.chat().body)) + 20);
    await setBudget(
      harness.pool,
      { tenant, level: "tenant", subject: "" },
      { limitNano: holdNano * 4n + 1n, period: "day" },
    );
    let letGo = () => {};
    const gate = new Promise<void>((resolve) => {
      letGo = resolve;
    });
    harness.provider.answer = async (received, response) => {
      await gate;
      await answerUsual(received, response);
    };
    const callers = await Promise.all(
      jobs.flatMap((job) =>
        Array.from({ length: 4 }, async () => ({ job, by: await harness.caller(job.by.holder) })),
      ),
    );
    let refused = 0;
    const answers = await Promise.all(
      callers.map(async ({ job, by }) => {
        const answer = await by.send(job.chat());
        if (answer.status === 402) refused += 1;
        if (refused === 20) letGo();
        return answer.status;
      }),
    );
    expect(answers.filter((status) => status === 200)).toHaveLength(4);
    expect((await ask("GET", tenant)).body).toMatchObject({ heldNano: "0", spentNano: `${4 * 13}` });
    for (const job of jobs) expect((await harness.audit(job.jobId)).problems).toEqual([]);
  });

  test("counts what its window saw before it was set, running calls included, and gets back what is released", async () => {
    const tenantKey = hex32();
    const tenant = tenantOf(tenantKey);
    const job = await harness.openJob({ tenantKey });
    expect((await job.by.send(job.chat())).status).toBe(200);
    let fail = () => {};
    const gate = new Promise<void>((resolve) => {
      fail = resolve;
    });
    harness.provider.answer = async (_received, response) => {
      await gate;
      sendJson(response, 500, {});
    };
    const running = job.by.send(job.chat());
    await expect.poll(() => harness.provider.received.length).toBe(2);
    const set = await ask("PUT", tenant, { limitNano: "1000", period: "month" });
    const holdNano = Buffer.byteLength(JSON.stringify(job.chat().body)) + 20;
    expect(set.body).toMatchObject({ heldNano: `${holdNano}`, spentNano: "13" });
    fail();
    expect((await running).status).toBe(502);
    expect((await ask("GET", tenant)).body).toMatchObject({ heldNano: "0", spentNano: "13" });
  });

  test("begins anew with its window, without anything being reset, and ends in the window that held", async () => {
    const tenantKey = hex32();
    const tenant = tenantOf(tenantKey);
    const job = await harness.openJob({ tenantKey });
    await ask("PUT", tenant, { limitNano: "100", period: "day" });
    await harness.pool.query(
      `UPDATE budget_windows SET starts_at_ms = starts_at_ms - 86400000, spent_nano = 100
        WHERE budget_id = (SELECT budget_id FROM budgets WHERE tenant = decode($1, 'hex'))`,
      [tenant.slice(2)],
    );
    expect((await job.by.send(job.chat({ max_tokens: 1 }))).status).toBe(200);
    const { rows } = await harness.pool.query<{ spent_nano: bigint }>(
      `SELECT spent_nano FROM budget_windows WHERE budget_id =
        (SELECT budget_id FROM budgets WHERE tenant = decode($1, 'hex')) ORDER BY starts_at_ms`,
      [tenant.slice(2)],
    );
    expect(rows.map(({ spent_nano: spentNano }) => spentNano)).toEqual([100n, 11n]);
  });

  test("shrinks a hold without a limit of its own to what is left", async () => {
    const tenantKey = hex32();
    const tenant = tenantOf(tenantKey);
    const job = await harness.openJob({ tenantKey });
    const call = job.chat({ max_tokens: undefined });
    await ask("PUT", tenant, {
      limitNano: `${Buffer.byteLength(JSON.stringify(call.body)) + 30}`,
      period: "none",
    });
    expect((await job.by.send(call)).status).toBe(200);
    expect(harness.provider.received.at(-1)?.body.max_tokens).toBe(30);
  });
});

describe("setting a budget", () => {
  const tenant = tenantOf(hex32());

  test("takes the operator's token, keeps every change, and lifts with null", async () => {
    expect((await ask("PUT", tenant, { limitNano: "5", period: "none" }, "x".repeat(20))).status).toBe(401);
    expect((await ask("GET", tenant)).status).toBe(404);
    await ask("PUT", tenant, { limitNano: "5", period: "day" });
    const lifted = await ask("PUT", tenant, { limitNano: null, period: "day" });
    expect(lifted.body).toMatchObject({
      limitNano: null,
      changes: [{ limitNano: null }, { limitNano: "5", period: "day" }],
    });
  });

  test("refuses amounts, periods and names that are none", async () => {
    const good = { limitNano: "5", period: "day" };
    for (const body of [
      { ...good, limitNano: "-1" },
      { ...good, limitNano: 5 },
      { ...good, period: "week" },
    ]) {
      expect((await ask("PUT", tenant, body)).status).toBe(400);
    }
    expect((await ask("PUT", tenant, { ...good, limitNano: (2n ** 62n).toString() })).status).toBe(400);
    for (const path of [`${tenant}/teams/Search`, `${tenant}/teams/a%20b`, `${tenant.toUpperCase()}`]) {
      expect((await ask("PUT", path, good)).status).toBe(400);
    }
  });

  test("a job stays with the team it was locked for", async () => {
    const job = await harness.openJob({ owner: { team: "search" } });
    const again = (owner?: unknown) =>
      job.by.send({ path: "/v1/jobs/lock", body: { ...job.body, ...(owner ? { owner } : { owner: {} }) } });
    expect((await again()).status).toBe(200);
    expect((await again({ team: "search" })).status).toBe(200);
    const moved = await again({ team: "ads" });
    expect([moved.status, errorOf(moved.text).param]).toEqual([400, "owner"]);
  });
});
