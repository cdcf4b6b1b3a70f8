import { DpopProof, UsageReceipt } from "@tac/protocol";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { FeedWriter } from "../src/feed/FeedWriter.ts";
import { HoldBatcher } from "../src/ledger/HoldBatcher.ts";
import { codeOf } from "./support/answers.ts";
import { feedOf } from "./support/feedOf.ts";
import { type Harness, startHarness } from "./support/harness.ts";
import { hex32 } from "./support/hex32.ts";
import { gatewayAddress } from "./support/identities.ts";
import { answerUsual, sendJson } from "./support/TestProvider.ts";

let harness: Harness;
beforeAll(async () => {
  // A burst of handshakes keeps this one process busy for longer than the usual deadlines of the tests.
  harness = await startHarness({ upstreamTimeoutMs: 20_000, chainMaxAgeMs: 20_000 });
});
afterEach(() => harness.reset());
afterAll(() => harness.stop());

const sleep = (delayMs: number) => new Promise((resolve) => setTimeout(resolve, delayMs));

describe("overspend is zero", () => {
  test("200 concurrent first calls for a balance of 7 admit exactly 7", async () => {
    const body = (await harness.openJob()).chat().body;
    const holdNano = BigInt(Buffer.byteLength(JSON.stringify(body)) + 20);
    const job = await harness.openJob({ maxSpendNano: holdNano * 8n - 1n });
    // No call ends before all were admitted or refused, so that no released rest lets an eighth one in.
    let letGo = () => {};
    const gate = new Promise<void>((resolve) => {
      letGo = resolve;
    });
    harness.provider.answer = async (received, response) => {
      await gate;
      await answerUsual(received, response);
    };
    const callers = await Promise.all(Array.from({ length: 200 }, () => harness.caller(job.by.holder)));
    const refused: string[] = [];
    let answered = 0;
    const calls = callers.map(async (by) => {
      const answer = await by.send(job.chat());
      if (answer.status === 200) answered += 1;
      else refused.push(codeOf(answer.text));
      if (refused.length === 193) letGo();
    });
    await Promise.all(calls);

    expect(answered).toBe(7);
    expect(new Set(refused)).toEqual(new Set(["credit_exhausted"]));
    expect(harness.provider.received).toHaveLength(7);
    const audit = await harness.audit(job.jobId);
    expect(audit.problems).toEqual([]);
    expect(audit.balances.get("provider:1")).toBe(7n * 13n);
    expect(audit.balances.get("held")).toBe(0n);
  });

  test("the store itself refuses a balance above the lock or below zero", async () => {
    const job = await harness.openJob({ maxSpendNano: 100n });
    const change = (set: string) =>
      harness.pool.query(`UPDATE jobs SET ${set} WHERE job_id = decode($1, 'hex')`, [job.jobId.slice(2)]);
    await expect(change("held_nano = 101")).rejects.toThrow("jobs_never_above_the_lock");
    await expect(change("spent_nano = -1")).rejects.toThrow("is_not_negative");
    await expect(change("held_nano = -1")).rejects.toThrow("is_not_negative");
  });

  test("ledger and feed refuse change, truncation included", async () => {
    await harness.openJob();
    for (const table of ["ledger_entries", "feed_events"]) {
      await expect(harness.pool.query(`DELETE FROM ${table}`)).rejects.toThrow("append-only");
      await expect(harness.pool.query(`TRUNCATE ${table}`)).rejects.toThrow("append-only");
      await expect(harness.pool.query(`UPDATE ${table} SET hash = '\\x00'`)).rejects.toThrow("append-only");
    }
  });

  test("an altered ledger is noticed", async () => {
    const job = await harness.openJob();
    await job.by.send(job.chat());
    await harness.pool.query("ALTER TABLE ledger_entries DISABLE TRIGGER ledger_entries_append_only");
    await harness.pool.query(
      "UPDATE ledger_entries SET amount_nano = 12 WHERE kind = 'capture' AND job_id = decode($1, 'hex')",
      [job.jobId.slice(2)],
    );
    await harness.pool.query("ALTER TABLE ledger_entries ENABLE TRIGGER ledger_entries_append_only");
    expect((await harness.audit(job.jobId)).problems).toContain("entry 3 says 12, its call 13");
  });

  test("a job whose credit is used up answers 402", async () => {
    const job = await harness.openJob({ maxSpendNano: 50n });
    const answer = await job.by.send(job.chat());
    expect(answer.status).toBe(402);
    expect(JSON.parse(answer.text)).toMatchObject({
      error: { code: "credit_exhausted", type: "insufficient_quota" },
    });
    const open = await job.by.send(job.chat({ max_tokens: undefined }));
    expect(open.status).toBe(402);
  });
});

describe("a call without an idempotency key", () => {
  test("is named by its proof's id, for longer than that is remembered as spent", async () => {
    const job = await harness.openJob();
    const call = { ...job.chat(), claims: { jti: "the-jti-of-one-call" } };
    const first = await job.by.send(call);
    expect(first.status).toBe(200);
    await harness.pool.query("DELETE FROM used_proofs");
    const { body } = job.chat({ max_tokens: 21 });
    const again = await job.by.send({ ...call, body });
    expect([again.status, codeOf(again.text)]).toEqual([401, "proof_replayed"]);
    expect(harness.provider.received).toHaveLength(1);
  });
});

describe("an idempotency key", () => {
  const key = (value: string) => ({ headers: { "idempotency-key": value } });

  test("charges once and gives the first answer again", async () => {
    const job = await harness.openJob();
    const call = { ...job.chat(), ...key("first") };
    const first = await job.by.send(call);
    const again = await job.by.send(call);
    expect(again.status).toBe(200);
    expect(again.text).toBe(first.text);
    expect(again.headers["x-receipt-id"]).toBe(first.headers["x-receipt-id"]);
    expect(again.headers["x-cost-nano"]).toBe("13");
    expect(harness.provider.received).toHaveLength(1);
    expect((await harness.audit(job.jobId)).balances.get("provider:1")).toBe(13n);
  });

  test("retried with a new proof gives the stored answer, one receipt and the id the caller knew", async () => {
    const job = await harness.openJob();
    const call = { ...job.chat(), ...key("retried") };
    const first = await job.by.send(call);
    const firstProof = job.by.lastProof;
    const elsewhere = await harness.caller(job.by.holder);
    const again = await elsewhere.send(call);
    expect(DpopProof.proofHash(elsewhere.lastProof)).not.toBe(DpopProof.proofHash(firstProof));
    expect(again.text).toBe(first.text);
    const receiptId = UsageReceipt.receiptIdOfKey({
      gateway: gatewayAddress,
      jobId: job.jobId,
      idempotencyKey: "retried",
    });
    expect([first, again].map(({ headers }) => headers["x-receipt-id"])).toEqual([receiptId, receiptId]);
    const usages = (await feedOf(harness.pool, job.jobId)).filter(({ kind }) => kind === "usage");
    expect(usages).toHaveLength(1);
  });

  test("is what the caller signed: added, taken away or changed on the way, the call is refused", async () => {
    const job = await harness.openJob();
    const proofFor = (value: string) => job.by.proofFor({ ...job.chat(), ...key(value) });
    const altered = [
      { proof: job.by.proofFor(job.chat()), ...key("added") },
      { proof: proofFor("taken-away") },
      { proof: proofFor("signed"), ...key("changed") },
    ];
    for (const change of altered) {
      const answer = await job.by.send({ ...job.chat(), ...change });
      expect([answer.status, codeOf(answer.text)]).toEqual([401, "invalid_proof"]);
    }
    expect(harness.provider.received).toEqual([]);
  });

  test("gives a stream's bytes again", async () => {
    const job = await harness.openJob();
    const call = { ...job.chat({ stream: true }), ...key("stream") };
    const first = await job.by.send(call);
    const again = await job.by.send(call);
    expect(again.text).toBe(first.text);
    expect(again.headers["content-type"]).toBe(first.headers["content-type"]);
    expect(harness.provider.received).toHaveLength(1);
  });

  test("for another body is a conflict", async () => {
    const job = await harness.openJob();
    await job.by.send({ ...job.chat(), ...key("one") });
    const answer = await job.by.send({ ...job.chat({ max_tokens: 21 }), ...key("one") });
    expect([answer.status, codeOf(answer.text)]).toEqual([409, "idempotency_conflict"]);
    expect(answer.headers["x-should-retry"]).toBe("false");
  });

  test("belongs to its job", async () => {
    const [one, two] = [await harness.openJob(), await harness.openJob()];
    await one.by.send({ ...one.chat(), ...key("shared") });
    await two.by.send({ ...two.chat(), ...key("shared") });
    expect(harness.provider.received).toHaveLength(2);
  });

  test("waits for the first call while that runs, and charges once", async () => {
    const job = await harness.openJob();
    harness.provider.answer = async (received, response) => {
      await sleep(300);
      await answerUsual(received, response);
    };
    const callers = await Promise.all([1, 2, 3].map(() => harness.caller(job.by.holder)));
    const answers = await Promise.all(callers.map((by) => by.send({ ...job.chat(), ...key("race") })));
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
    expect(new Set(answers.map(({ headers }) => headers["x-receipt-id"])).size).toBe(1);
    expect(harness.provider.received).toHaveLength(1);
    expect((await harness.audit(job.jobId)).balances.get("provider:1")).toBe(13n);
  });

  test("answers 409 with Retry-After when the first call takes too long", async () => {
    const job = await harness.openJob();
    harness.provider.answer = async (received, response) => {
      await sleep(1_600);
      await answerUsual(received, response);
    };
    const other = await harness.caller(job.by.holder);
    const first = job.by.send({ ...job.chat(), ...key("slow") });
    await sleep(100);
    const second = await other.send({ ...job.chat(), ...key("slow") });
    expect([second.status, codeOf(second.text)]).toEqual([409, "call_running"]);
    expect(second.headers).toMatchObject({ "retry-after": "1", "x-should-retry": "true" });
    expect((await first).status).toBe(200);
  });

  test("of a call that failed uncharged runs again", async () => {
    const job = await harness.openJob();
    harness.provider.answer = (_received, response) => sendJson(response, 500, {});
    expect((await job.by.send({ ...job.chat(), ...key("retry") })).status).toBe(502);
    harness.provider.answer = answerUsual;
    expect((await job.by.send({ ...job.chat(), ...key("retry") })).status).toBe(200);
    const [failed, charged] = harness.provider.received;
    expect(failed?.headers["x-receipt-id"]).toBe(charged?.headers["x-receipt-id"]);
    expect((await harness.audit(job.jobId)).problems).toEqual([]);
  });

  test("whose answer was too large to keep is not charged again", async () => {
    const job = await harness.openJob();
    harness.provider.answer = (_received, response) =>
      sendJson(response, 200, {
        choices: [{ message: { content: "x".repeat(200_000) } }],
        usage: { prompt_tokens: 1, completion_tokens: 1 },
      });
    const call = { ...job.chat(), ...key("large") };
    expect((await job.by.send(call)).status).toBe(200);
    const again = await job.by.send(call);
    expect(again.status).toBe(409);
    expect((await harness.audit(job.jobId)).balances.get("provider:1")).toBe(2n);
  });

  test("that is blank or too long is refused", async () => {
    const job = await harness.openJob();
    for (const value of ["a b", "x".repeat(129)]) {
      expect((await job.by.send({ ...job.chat(), ...key(value) })).status).toBe(400);
    }
  });
});

test("a charge that the store rejects takes no other with it", async () => {
  const job = await harness.openJob();
  const writer = new FeedWriter(harness.pool, gatewayAddress, Date.now);
  const [good] = await Promise.all([job.by.send(job.chat())]);
  expect(good.status).toBe(200);
  const usage = (await feedOf(harness.pool, job.jobId)).find(({ kind }) => kind === "usage");
  if (usage?.kind !== "usage") throw new Error("no usage event");
  const { receipt, receiptSignature } = usage.body;
  const capture = (costNano: bigint) => {
    const callId = hex32();
    const ended = { receipt: { ...receipt, receiptId: callId, costNano }, receiptSignature };
    const answer = { status: 200, headers: {}, body: null };
    return writer.capture(
      { kind: "usage", body: { ...usage.body, ...ended } },
      { callId, ...ended, outcome: "complete", answer },
    );
  };
  // The first goes alone; the others wait for it and share a batch. None of the calls is open, which is no failure.
  const outcomes = await Promise.allSettled([capture(1n), capture(1n), capture(2n ** 63n), capture(1n)]);
  expect(outcomes.map(({ status }) => status)).toEqual(["fulfilled", "fulfilled", "rejected", "fulfilled"]);
});

test("a hold that the store rejects takes no other with it", async () => {
  const job = await harness.openJob();
  const holds = new HoldBatcher(harness.pool, { owner: "test", proofMemoryMs: 60_000, nowMs: Date.now });
  const hold = (holdNano: bigint) => {
    const proofHash = hex32();
    return holds.hold({
      callId: hex32(),
      receiptId: hex32(),
      jobId: job.jobId,
      kind: "chat",
      model: "chat-1",
      providerId: 1,
      tariffHash: proofHash,
      holdNano,
      floorNano: holdNano,
      requestHash: proofHash,
      proofHash,
      idempotencyKey: null,
      jtiHash: proofHash,
    });
  };
  // The first goes alone; the others wait for it and share a batch, in which one amount is none.
  const outcomes = await Promise.allSettled([hold(1n), hold(2n), hold(2n ** 63n), hold(3n)]);
  expect(outcomes.map(({ status }) => status)).toEqual(["fulfilled", "fulfilled", "rejected", "fulfilled"]);
  for (const { value } of outcomes.filter((outcome) => outcome.status === "fulfilled"))
    if (value.outcome === "held") await value.durable;
  const audit = await harness.audit(job.jobId);
  expect([audit.problems, audit.balances.get("held")]).toEqual([[], 6n]);
});

test("several writers share one feed without a gap, and lose nothing", async () => {
  const job = await harness.openJob();
  const writers = Array.from({ length: 3 }, () => new FeedWriter(harness.pool, gatewayAddress, Date.now));
  const marks = Array.from({ length: 30 }, () => hex32());
  const by = await harness.caller(job.by.holder);
  const calls = (async () => {
    for (let index = 0; index < 10; index += 1) expect((await by.send(job.chat())).status).toBe(200);
  })();
  const changes = marks.map((jobId, index) =>
    writers[index % 3]?.change(
      { kind: "job-closed", body: { jobId, proof: "a.b.c", usageAuth: "token" } },
      async () => index % 5 !== 0,
    ),
  );
  expect((await Promise.all(changes)).filter((happened) => happened)).toHaveLength(24);
  await calls;
  const events = await feedOf(harness.pool, null);
  const closed = events.flatMap((event) => (event.kind === "job-closed" ? [event.body.jobId] : []));
  expect(closed.filter((jobId) => marks.includes(jobId))).toHaveLength(24);
  expect((await feedOf(harness.pool, job.jobId)).filter(({ kind }) => kind === "usage")).toHaveLength(10);
});

test("every event of the feed has its place, whatever ran at once", async () => {
  const jobs = await Promise.all(Array.from({ length: 5 }, () => harness.openJob()));
  const callers = await Promise.all(
    jobs.flatMap((job) =>
      Array.from({ length: 6 }, async () => ({ job, by: await harness.caller(job.by.holder) })),
    ),
  );
  await Promise.all(callers.map(({ job, by }) => by.send(job.chat())));
  for (const job of jobs) {
    expect((await feedOf(harness.pool, job.jobId)).filter(({ kind }) => kind === "usage")).toHaveLength(6);
    expect((await harness.audit(job.jobId)).problems).toEqual([]);
  }
});
