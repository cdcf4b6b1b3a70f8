import { DpopProof, Header, HolderKey, ProtocolError, UsageAuth } from "@tac/protocol";
import { describe, expect, it } from "vitest";
import { chatBody, useWorld } from "./support.ts";

const world = useWorld();
const chatPath = "/v1/chat/completions";

describe("RFC 9449 proofs bound to the TLS connection (RFC 9266)", () => {
  it("proves method, URL, token, nonce, body, price and exporter of each request", async () => {
    const { client, gateway } = world;
    const job = await world.lockedJob();
    const fetch = client.fetch(job, { maxCostNano: 1_234_567n });
    const init = chatBody("hello");
    const response = await fetch(`${gateway.url}${chatPath}`, init);
    expect(response.status).toBe(200);
    await response.json();
    const seen = gateway.seen.at(-1);
    expect(seen?.proof?.claims).toMatchObject({
      htm: "POST",
      htu: `${gateway.url}${chatPath}`,
      ekm: seen?.exporter,
      ath: UsageAuth.hash(String(seen?.headers[Header.usageAuth])),
      bodyHash: DpopProof.bodyHash(String(init.body)),
      maxCostNano: 1_234_567n,
    });
    expect(seen?.proof?.claims.nonce).toBeDefined();
    expect(seen?.proof?.holder).toBe(job.capability.holder);
  });

  it("sends a hundred concurrent calls, each proven for its own connection, over a bounded pool", async () => {
    const { gateway } = world;
    const client = world.newClient({ maxConnections: 5 });
    const before = gateway.connectionCount();
    const job = await world.lockedJob(client);
    const fetch = client.fetch(job);
    const prompts = Array.from({ length: 100 }, (_, index) => `prompt ${index}`);
    const answers = await Promise.all(
      prompts.map(async (prompt) => {
        const response = await fetch(`${gateway.url}${chatPath}`, chatBody(prompt));
        return { status: response.status, body: await response.text() };
      }),
    );
    answers.forEach(({ status, body }, index) => {
      expect(status).toBe(200);
      expect(body).toContain(`You said: prompt ${index}"`);
    });
    expect(gateway.connectionCount() - before).toBeLessThanOrEqual(5);
    const exporters = new Set(gateway.seen.map(({ exporter }) => exporter));
    expect(exporters.size).toBeGreaterThan(1);
  });

  it("reuses an idle connection", async () => {
    const { client, gateway } = world;
    const before = gateway.connectionCount();
    const job = await world.lockedJob();
    const fetch = client.fetch(job);
    for (let index = 0; index < 5; index += 1) {
      await (await fetch(`${gateway.url}${chatPath}`, chatBody(`${index}`))).text();
    }
    expect(gateway.connectionCount() - before).toBe(1);
  });

  it("proves anew for the next connection after the server has closed idle ones", async () => {
    const { client, gateway } = world;
    const job = await world.lockedJob();
    const fetch = client.fetch(job);
    const exporters = [];
    for (let round = 0; round < 4; round += 1) {
      const response = await fetch(`${gateway.url}${chatPath}`, chatBody(`round ${round}`));
      expect(response.status).toBe(200);
      await response.text();
      exporters.push(gateway.seen.at(-1)?.exporter);
      gateway.dropConnections();
      // Half of the rounds go on before the client can have noticed.
      if (round % 2 === 0) await new Promise((resolve) => setTimeout(resolve, 20));
    }
    expect(new Set(exporters).size).toBe(4);
  });

  it("repeats a call whose connection died with the same Idempotency-Key, and is charged once", async () => {
    const { client, gateway } = world;
    const job = await world.lockedJob();
    let drops = 2;
    gateway.faults.push((request) => (request.url === chatPath && drops-- > 0 ? "drop" : undefined));
    const response = await client.fetch(job)(`${gateway.url}${chatPath}`, chatBody("once"));
    expect(response.status).toBe(200);
    await response.text();
    const calls = gateway.seen.filter(({ path }) => path === chatPath);
    expect(calls).toHaveLength(3);
    expect(new Set(calls.map(({ headers }) => headers[Header.idempotencyKey])).size).toBe(1);
    expect(new Set(calls.map(({ proof }) => proof?.claims.jti)).size).toBe(3);
    expect(gateway.jobs.all.get(job.jobId)?.receipts).toHaveLength(1);
  });

  it("takes a new connection on binding_mismatch, once", async () => {
    const { client, gateway } = world;
    const job = await world.lockedJob();
    let refusals = 1;
    const refusal = { status: 401, code: new ProtocolError("binding_mismatch") };
    gateway.faults.push((request) => (request.url === chatPath && refusals-- > 0 ? refusal : undefined));
    const fetch = client.fetch(job);
    const response = await fetch(`${gateway.url}${chatPath}`, chatBody("moved"));
    expect(response.status).toBe(200);
    await response.text();
    const [first, second] = gateway.seen.filter(({ path }) => path === chatPath);
    expect(first?.exporter).not.toBe(second?.exporter);

    refusals = Number.POSITIVE_INFINITY;
    const refused = await fetch(`${gateway.url}${chatPath}`, chatBody("for ever"));
    expect(refused.status).toBe(401);
    expect(gateway.seen.filter(({ path }) => path === chatPath)).toHaveLength(4);
  });

  it("answers a nonce challenge", async () => {
    const { client, gateway } = world;
    const job = await world.lockedJob();
    const fetch = client.fetch(job);
    await (await fetch(`${gateway.url}${chatPath}`, chatBody("one"))).text();
    gateway.expireNonces();
    const response = await fetch(`${gateway.url}${chatPath}`, chatBody("two"));
    expect(response.status).toBe(200);
    await response.text();
  });

  it("renews the token in time, and when the gateway refuses it", async () => {
    const { client, gateway } = world;
    gateway.jobs.tokenLifetimeSeconds = 1;
    const job = await world.lockedJob();
    const fetch = client.fetch(job);
    await new Promise((resolve) => setTimeout(resolve, 1_100));
    gateway.jobs.tokenLifetimeSeconds = 300;
    expect((await fetch(`${gateway.url}${chatPath}`, chatBody("late"))).status).toBe(200);
    let refusals = 1;
    const refusal = { status: 401, code: new ProtocolError("usage_auth_expired") };
    gateway.faults.push((request) => (request.url === chatPath && refusals-- > 0 ? refusal : undefined));
    expect((await fetch(`${gateway.url}${chatPath}`, chatBody("clock skew"))).status).toBe(200);
    const locks = gateway.seen.filter(({ path }) => path === "/v1/jobs/lock");
    expect(locks).toHaveLength(3);
  });

  it("does not prove for another origin", async () => {
    const { client } = world;
    const job = await world.lockedJob();
    await expect(client.fetch(job)("https://example.com/v1/models")).rejects.toMatchObject({
      code: "invalid_request",
    });
  });

  it("fails with the gateway's reason when the key is not the holder's", async () => {
    const { client } = world;
    const job = await world.lockedJob();
    const stranger = world.newClient({ holder: HolderKey.generate() });
    expect(() => stranger.fetch(job)).not.toThrow();
    await expect(stranger.fetch(job)(`${world.gateway.url}${chatPath}`, chatBody("x"))).rejects.toMatchObject(
      {
        code: "invalid_capability",
      },
    );
    await expect(stranger.close(job)).rejects.toBeInstanceOf(ProtocolError);
    await client.close(job);
    await expect(client.lock(job)).rejects.toMatchObject({ code: "job_closed" });
  });
});
