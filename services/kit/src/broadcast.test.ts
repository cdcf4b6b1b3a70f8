import { hash, randomUUID } from "node:crypto";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { type Broadcast, createBroadcast } from "./broadcast.ts";
import { createPool } from "./database.ts";
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

describe("a broadcast on PostgreSQL", () => {
  conformance("postgres");

  test("listens again after its connection was lost, and until then refuses to publish", async () => {
    const problems: Error[] = [];
    const broadcast = createBroadcast({
      databaseUrl: database.url,
      namespace: "lost",
      onError: (error) => problems.push(error),
    });
    const heard: unknown[] = [];
    await broadcast.subscribe("news", (payload) => heard.push(payload));
    const pool = createPool({ url: database.url, max: 1 });
    try {
      await pool.query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%' AND datname = current_database()",
      );
      await vi.waitFor(() => expect(problems).toHaveLength(1), 5_000);
      await expect(broadcast.publish("news", "lost")).rejects.toThrow("no connection");
      await vi.waitFor(() => broadcast.publish("news", "back"), 5_000);
      await vi.waitFor(() => expect(heard).toEqual(["back"]), 5_000);
    } finally {
      await pool.end();
      await broadcast.close();
    }
  });

  test("reports what is not JSON, and goes on", async () => {
    const problems: Error[] = [];
    const broadcast = createBroadcast({
      databaseUrl: database.url,
      namespace: "stray",
      onError: (error) => problems.push(error),
    });
    const heard: unknown[] = [];
    await broadcast.subscribe("news", (payload) => heard.push(payload));
    const pool = createPool({ url: database.url, max: 1 });
    try {
      const channel = `tac_${hash("sha256", "stray/news").slice(0, 40)}`;
      for (const payload of ["{", ""]) await pool.query("SELECT pg_notify($1, $2)", [channel, payload]);
      await broadcast.publish("news", "kept");
      await vi.waitFor(() => expect(heard).toEqual(["kept"]), 5_000);
      expect(problems.map(({ name }) => name)).toEqual(["SyntaxError", "SyntaxError"]);
    } finally {
      await pool.end();
      await broadcast.close();
    }
  });

  test("a connection that has fallen silent is given up", async () => {
    const problems: Error[] = [];
    const silent = createServer();
    const held: Socket[] = [];
    let isSilent = false;
    const { hostname, port } = new URL(database.url);
    silent.on("connection", (near) => {
      const far = connect(Number(port), hostname);
      held.push(near, far);
      near.on("error", () => undefined).on("data", (bytes) => isSilent || far.write(bytes));
      far.on("error", () => undefined).on("data", (bytes) => near.write(bytes));
    });
    silent.listen(0, "127.0.0.1");
    await once(silent, "listening");
    const url = new URL(database.url);
    url.hostname = "127.0.0.1";
    url.port = String((silent.address() as AddressInfo).port);
    const broadcast = createBroadcast({
      databaseUrl: url.href,
      namespace: "silent",
      onError: (error) => problems.push(error),
    });
    try {
      const heard: unknown[] = [];
      await broadcast.subscribe("news", (payload) => heard.push(payload));
      isSilent = true;
      await expect(broadcast.publish("news", "lost")).rejects.toThrow();
      isSilent = false;
      await vi.waitFor(() => broadcast.publish("news", "back"), 5_000);
      await vi.waitFor(() => expect(heard).toEqual(["back"]), 5_000);
      expect(problems).not.toEqual([]);
    } finally {
      await broadcast.close();
      for (const socket of held) socket.destroy();
      silent.close();
    }
  });
});
describe.skipIf(redisUrl === undefined)("a broadcast on Redis", () => conformance("redis"));
