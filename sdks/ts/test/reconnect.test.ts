import { TLSSocket } from "node:tls";
import { DpopProof, Header, UsageReceipt } from "@tac/protocol";
import { afterEach, describe, expect, it, vi } from "vitest";
import { openConnection } from "../src/transport/Connection.ts";
import { ConnectionError } from "../src/transport/ConnectionError.ts";
import { chatBody, useWorld } from "./support.ts";

const world = useWorld();
const chatPath = "/v1/chat/completions";

afterEach(() => {
  vi.restoreAllMocks();
});

const callsSeen = () => world.gateway.seen.filter(({ path }) => path === chatPath);

describe("a connection lost in the middle of an answer", () => {
  it("costs one charge: a new connection, a new exporter, a new proof, the same key, the same receipt", async () => {
    const { client, gateway } = world;
    const job = await world.lockedJob();
    gateway.answersToCutOff = 2;
    const response = await client.fetch(job)(`${gateway.url}${chatPath}`, chatBody("once"));
    expect(await response.text()).toContain("You said: once");

    const calls = callsSeen();
    expect(calls).toHaveLength(3);
    expect(new Set(calls.map(({ exporter }) => exporter)).size).toBe(3);
    expect(calls.every(({ exporter, proof }) => proof?.claims.ekm === exporter)).toBe(true);
    expect(new Set(calls.map(({ proof }) => proof?.proofHash)).size).toBe(3);
    expect(new Set(calls.map(({ proof }) => proof?.claims.ikh)).size).toBe(1);

    const idempotencyKey = String(calls[0]?.headers[Header.idempotencyKey]);
    expect(calls[0]?.proof?.claims.ikh).toBe(DpopProof.idempotencyKeyHash(idempotencyKey));
    const receipts = gateway.jobs.all.get(job.jobId)?.receipts ?? [];
    const { gateway: address } = job.signedQuote.quote;
    expect(receipts.map(({ receipt }) => receipt.receiptId)).toEqual([
      UsageReceipt.receiptIdOfKey({ gateway: address, jobId: job.jobId, idempotencyKey }),
    ]);
  });

  it("is one call of a run, too", async () => {
    const { client, gateway } = world;
    const job = await world.lockedJob();
    gateway.answersToCutOff = 1;
    const messages = [{ role: "user", content: "hello" }];
    const ids: string[] = [];
    for await (const event of client.run(job, { draft: { messages }, index: { input: "x" } }))
      if (event.type === "call-end") ids.push(event.receiptId);
    expect(ids).toHaveLength(2);
    const receipts = gateway.jobs.all.get(job.jobId)?.receipts ?? [];
    expect(receipts.map(({ receipt }) => receipt.receiptId)).toEqual(ids);
  });
});

describe("a connection", () => {
  const open = () =>
    openConnection({
      origin: world.gateway.url,
      ca: world.gateway.ca,
      connectTimeoutMs: 5_000,
      idleTimeoutMs: 5_000,
      headersTimeoutMs: 5_000,
      bodyTimeoutMs: 5_000,
    });

  it("has its exporter read once, however many proofs name it", async () => {
    const { gateway, client } = world;
    const port = Number(new URL(gateway.url).port);
    const read = vi.spyOn(TLSSocket.prototype, "exportKeyingMaterial");
    const job = await world.lockedJob();
    const fetch = client.fetch(job);
    for (const prompt of ["one", "two", "three", "four"])
      await (await fetch(`${gateway.url}${chatPath}`, chatBody(prompt))).text();
    expect(callsSeen()).toHaveLength(4);
    const ours = read.mock.contexts.filter(
      (socket) => socket instanceof TLSSocket && socket.remotePort === port,
    );
    expect(ours).toHaveLength(new Set(callsSeen().map(({ exporter }) => exporter)).size);
    expect(ours).toHaveLength(1);
  });

  it("that has closed sends nothing over another one, whose exporter its proofs would not name", async () => {
    const { gateway } = world;
    const connection = await open();
    const request = { origin: gateway.url, path: "/v1/nonce", method: "GET" } as const;
    await (await connection.request(request)).body.dump();
    const closed = new Promise<void>((resolve) => connection.onClose(resolve));
    gateway.dropConnections();
    await closed;
    const [connections, requests] = [gateway.connectionCount(), gateway.seen.length];
    await expect(connection.request(request)).rejects.toBeInstanceOf(ConnectionError);
    expect(connection.isUsable()).toBe(false);
    expect([gateway.connectionCount(), gateway.seen.length]).toEqual([connections, requests]);
    await connection.close();
  });

  it("has an exporter of its own, though the TLS session may be the same", async () => {
    const connections = [await open(), await open()];
    const [one, other] = connections.map(({ exporter }) => exporter.toString("hex"));
    expect(one).not.toBe(other);
    await Promise.all(connections.map((connection) => connection.close()));
  });
});

it("an answer that names the receipt of another call is refused", async () => {
  const { client, gateway } = world;
  const job = await world.lockedJob();
  gateway.faults.push((request) =>
    request.url === chatPath
      ? { status: 200, headers: { [Header.receiptId]: `0x${"5a".repeat(32)}` } }
      : undefined,
  );
  await expect(client.fetch(job)(`${gateway.url}${chatPath}`, chatBody("x"))).rejects.toMatchObject({
    code: "wrong_job",
  });
});
