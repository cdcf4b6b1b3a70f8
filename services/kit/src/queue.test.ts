import { randomUUID } from "node:crypto";
import { Errors } from "@tac/protocol";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { z } from "zod";
import { createQueues, type Queues } from "./queue.ts";
import {
  canStartRedis,
  sharedRedisUrl,
  startTestDatabase,
  startTestRedis,
  type TestDatabase,
} from "./testing/index.ts";

const redisUrl = sharedRedisUrl();

let database: TestDatabase;
beforeAll(async () => {
  database = await startTestDatabase();
});
afterAll(() => database?.stop());

const schema = z.object({ jobId: z.string() });

const conformance = (backend: Queues["backend"]) => {
  const open: Queues[] = [];
  const errors: Error[] = [];
  const start = (): Queues => {
    const queues = createQueues({
      databaseUrl: database.url,
      redisUrl: backend === "redis" ? redisUrl : undefined,
      onError: (error) => errors.push(error),
    });
    open.push(queues);
    return queues;
  };
  const freshName = (): string => `test-${randomUUID()}`;
  afterEach(async () => {
    await Promise.all(open.splice(0).map((queues) => queues.close()));
    errors.length = 0;
  });

  test("says which backend it uses", () => {
    expect(start().backend).toBe(backend);
  });

  test("a worker in another process's place handles what a queue was given", async () => {
    const name = freshName();
    const handled: string[] = [];
    const queue = start().queue<z.input<typeof schema>>(name);
    await queue.addMany([1, 2, 3].map((n) => ({ payload: { jobId: `job-${n}` } })));
    expect(await queue.depth()).toBe(3);
    start().worker(name, schema, async ({ payload }) => handled.push(payload.jobId));
    await vi.waitFor(() => expect(handled).toEqual(["job-1", "job-2", "job-3"]), 10_000);
    await vi.waitFor(async () => expect(await queue.depth()).toBe(0), 5_000);
  });

  test("one job id is queued once", async () => {
    const queue = start().queue<z.input<typeof schema>>(freshName());
    await queue.add({ jobId: "a" }, { jobId: "once" });
    await queue.add({ jobId: "b" }, { jobId: "once" });
    expect(await queue.depth()).toBe(1);
  });

  test("an unexpected error is retried", async () => {
    const name = freshName();
    const queues = start();
    const attempts: number[] = [];
    queues.worker(name, schema, async ({ attempt }) => {
      attempts.push(attempt);
      if (attempt < 3) throw new Error("not yet");
    });
    await queues.queue<z.input<typeof schema>>(name).add({ jobId: "a" }, { attempts: 5, backoffMs: 20 });
    await vi.waitFor(() => expect(attempts).toEqual([1, 2, 3]), 15_000);
    expect(errors.map(({ message }) => message)).toEqual(["not yet", "not yet"]);
  });

  test("a lasting error and a malformed payload fail at once", async () => {
    const name = freshName();
    const queues = start();
    const attempts: string[] = [];
    queues.worker(name, schema, async ({ payload }) => {
      attempts.push(payload.jobId);
      throw Errors.fromCode("unknown_job");
    });
    const queue = queues.queue<unknown>(name);
    await queue.add({ jobId: "a" }, { attempts: 5, backoffMs: 10 });
    await queue.add({ jobId: 7 }, { attempts: 5, backoffMs: 10 });
    await vi.waitFor(async () => expect(await queue.failedCount()).toBe(2), 10_000);
    expect(attempts).toEqual(["a"]);
    expect(await queue.depth()).toBe(0);
  });

  test("a schedule asked for by two replicas runs once per interval", async () => {
    const name = freshName();
    const handled: number[] = [];
    for (const queues of [start(), start()]) {
      queues.worker(name, schema, async () => handled.push(Date.now()));
      await queues.queue<z.input<typeof schema>>(name).schedule("tick", 300, { jobId: "a" });
    }
    await vi.waitFor(() => expect(handled.length).toBeGreaterThanOrEqual(3), 10_000);
    const [first = 0] = handled;
    const last = handled.at(-1) ?? 0;
    expect(handled.length).toBeLessThanOrEqual(Math.round((last - first) / 300) + 2);
  });

  test("closing lets the running job end", async () => {
    const name = freshName();
    const queues = start();
    let ended = false;
    const running = new Promise<void>((resolve) => {
      queues.worker(name, schema, async () => {
        resolve();
        await new Promise((wait) => setTimeout(wait, 200));
        ended = true;
      });
    });
    await queues.queue<z.input<typeof schema>>(name).add({ jobId: "a" });
    await running;
    await queues.close();
    expect(ended).toBe(true);
  });
};

describe("queues on PostgreSQL", () => conformance("postgres"));
describe.skipIf(redisUrl === undefined)("queues on Redis", () => conformance("redis"));

test.skipIf(!canStartRedis())(
  "a Redis that is gone is said at once, and what was lost with it can be added again",
  async () => {
    const redis = await startTestRedis();
    const queues = createQueues({ databaseUrl: database.url, redisUrl: redis.url, onError: () => undefined });
    const queue = queues.queue<z.input<typeof schema>>("a");
    const handled: string[] = [];
    queues.worker("a", schema, async ({ payload }) => handled.push(payload.jobId));
    await queue.add({ jobId: "one" });
    await vi.waitFor(() => expect(handled).toEqual(["one"]), 5_000);

    await redis.kill();
    await vi.waitFor(() => expect(queue.depth()).rejects.toThrow(), 5_000);
    const askedAtMs = Date.now();
    await expect(queue.add({ jobId: "two" })).rejects.toThrow();
    expect(Date.now() - askedAtMs).toBeLessThan(1_000);

    await redis.restart();
    await vi.waitFor(() => queue.add({ jobId: "two" }, { jobId: "two" }), { timeout: 20_000, interval: 200 });
    await vi.waitFor(() => expect(handled).toEqual(["one", "two"]), 20_000);

    await redis.kill();
    const closedAtMs = Date.now();
    await queues.close();
    expect(Date.now() - closedAtMs).toBeLessThan(9_000);
    await redis.stop();
  },
);
