import { randomUUID } from "node:crypto";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { type Broadcast, createBroadcast } from "./broadcast.ts";
import { sharedRedisUrl, startTestDatabase, type TestDatabase } from "./testing/index.ts";

const redisUrl = sharedRedisUrl();

let database: TestDatabase;
beforeAll(async () => {
  database = await startTestDatabase();
});
afterAll(() => database?.stop());

const conformance = (backend: Broadcast["backend"]) => {
  const open: Broadcast[] = [];
  const start = (namespace: string): Broadcast => {
    const broadcast = createBroadcast({
      databaseUrl: database.url,
      redisUrl: backend === "redis" ? redisUrl : undefined,
      namespace,
      onError: (error) => expect(error).toBeUndefined(),
    });
    open.push(broadcast);
    return broadcast;
  };
  const freshName = (): string => `test-${randomUUID()}`;
  afterEach(async () => {
    await Promise.all(open.splice(0).map((broadcast) => broadcast.close()));
  });

  test("reaches every node, the sender included, and nobody of another topic or namespace", async () => {
    const namespace = freshName();
    const [one, two] = [start(namespace), start(namespace)];
    const stranger = start(freshName());
    const heard: string[] = [];
    await one.subscribe("news", (payload) => heard.push(`one ${JSON.stringify(payload)}`));
    await two.subscribe("news", (payload) => heard.push(`two ${JSON.stringify(payload)}`));
    await two.subscribe("other", () => heard.push("other topic"));
    await stranger.subscribe("news", () => heard.push("other namespace"));
    expect(one.backend).toBe(backend);
    await one.publish("news", { seq: "7" });
    await vi.waitFor(() => expect(heard.sort()).toEqual(['one {"seq":"7"}', 'two {"seq":"7"}']), 5_000);
  });

  test("hands over in the order of one sender", async () => {
    const namespace = freshName();
    const [sender, receiver] = [start(namespace), start(namespace)];
    const heard: unknown[] = [];
    await receiver.subscribe("count", (payload) => heard.push(payload));
    for (let number = 0; number < 20; number++) await sender.publish("count", number);
    await vi.waitFor(() => expect(heard).toEqual(Array.from({ length: 20 }, (_, index) => index)), 5_000);
  });
};

describe("a broadcast on PostgreSQL", () => conformance("postgres"));
describe.skipIf(redisUrl === undefined)("a broadcast on Redis", () => conformance("redis"));
