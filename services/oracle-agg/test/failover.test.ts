import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { startTestChain, type TestChain } from "@tac/kit/testing";
import { createPublicClient, createTestClient, custom, http } from "viem";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { ChainUnavailable } from "../src/chain/ChainPort.ts";
import { failover } from "../src/chain/failover.ts";
import { createViemChain } from "../src/chain/viemChain.ts";
import { deployment, hex32 } from "./support/World.ts";

let node: TestChain;

beforeAll(async () => {
  node = await startTestChain();
  // STOP: a contract that takes every call.
  await miner().setCode({ address: deployment.usageReceipts, bytecode: "0x00" });
});

afterAll(() => node?.stop());

const miner = () => createTestClient({ mode: "anvil", transport: http(node.rpcUrl) });
const reader = () => createPublicClient({ transport: http(node.rpcUrl) });

type Proxy = { url: string; mode: "passes" | "hangs" | "fails"; asked: number; close(): Promise<void> };

/** An RPC endpoint in front of the node that can hang or fail. */
const startProxy = async (): Promise<Proxy> => {
  const server: Server = createServer(async (request, response) => {
    proxy.asked += 1;
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    if (proxy.mode === "hangs") return;
    if (proxy.mode === "fails") {
      response.writeHead(503).end();
      return;
    }
    const answer = await fetch(node.rpcUrl, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: Buffer.concat(chunks),
    });
    response.writeHead(answer.status, { "content-type": "application/json" }).end(await answer.text());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const proxy: Proxy = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    mode: "passes",
    asked: 0,
    close: async () => {
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
  return proxy;
};

const chainOn = (rpcUrls: string[], onEndpoint?: (place: number, isUp: boolean) => void) =>
  createViemChain({
    deployment: { ...deployment, chainId: node.chainId },
    rpcUrls,
    submitterPrivateKey: node.privateKeys[1],
    confirmations: 0n,
    ...(onEndpoint === undefined ? {} : { onEndpoint }),
  });

const batch = () => ({
  header: {
    laneId: 0,
    keyEpoch: 1,
    batchNumber: 1n,
    windowStart: 1n,
    windowEnd: 2n,
    receiptsRoot: hex32(),
    receiptCount: 1,
    linesHash: hex32(),
    totalNano: 1n,
    previousBatchHash: hex32(),
    sourcesHash: hex32(),
  },
  lines: [],
  signature: "0x" as const,
  publicKey: "0x" as const,
});

test("the next endpoint answers when one fails, and the failed one is not asked on every read", async () => {
  const [first, second] = [await startProxy(), await startProxy()];
  const told: [number, boolean][] = [];
  const chain = chainOn([first.url, second.url], (place, isUp) => told.push([place, isUp]));
  expect(await chain.head()).toBeGreaterThanOrEqual(0n);
  expect(second.asked).toBe(0);
  first.mode = "fails";
  await chain.head();
  const asked = first.asked;
  for (let count = 0; count < 5; count += 1) await chain.head();
  expect(first.asked).toBe(asked);
  expect(told).toEqual([[0, false]]);
  await Promise.all([first.close(), second.close()]);
});

test("an endpoint that hangs costs its time-out once; with none left the caller is told, and served again later", async () => {
  const [first, second] = [await startProxy(), await startProxy()];
  const chain = chainOn([first.url, second.url]);
  first.mode = "hangs";
  await chain.head();
  const startedAt = performance.now();
  await chain.head();
  expect(performance.now() - startedAt).toBeLessThan(2_000);
  second.mode = "fails";
  await expect(chain.head()).rejects.toThrow(ChainUnavailable);
  first.mode = "passes";
  expect(await chain.head()).toBeGreaterThanOrEqual(0n);
  await Promise.all([first.close(), second.close()]);
});

test("an endpoint that failed is tried beside the others, holds nobody up, and is preferred again once it answers", async () => {
  const told: string[] = [];
  let first: () => Promise<string> = async () => "first";
  const transport = failover(
    [custom({ request: () => first() }), custom({ request: async () => "second" })],
    (place, isUp) => told.push(`${place} ${isUp ? "up" : "down"}`),
  )({ retryCount: 0 });
  const ask = (): Promise<unknown> => transport.request({ method: "eth_blockNumber" } as never);
  const clock = vi.spyOn(Date, "now");
  const startedAt = Date.now();
  first = async () => {
    throw new Error("down");
  };
  expect(await ask()).toBe("second");
  first = () => new Promise(() => {});
  clock.mockReturnValue(startedAt + 20_000);
  expect(await ask()).toBe("second");
  first = async () => "first";
  clock.mockReturnValue(startedAt + 30_000);
  expect(await ask()).toBe("second");
  clock.mockReturnValue(startedAt + 40_000);
  expect(await ask()).toBe("second");
  await vi.waitFor(() => expect(told).toContain("0 up"));
  expect(await ask()).toBe("first");
  expect(told).toEqual(["0 down", "0 up"]);
  clock.mockRestore();
});

test("what reading learnt of an endpoint counts for sending", async () => {
  const first = await startProxy();
  const chain = chainOn([first.url, node.rpcUrl]);
  first.mode = "hangs";
  await chain.head();
  const startedAt = performance.now();
  await chain.submit(batch());
  expect(performance.now() - startedAt).toBeLessThan(2_000);
  await first.close();
});

test("a batch is sent through the second endpoint when the first dies", async () => {
  const first = await startProxy();
  const chain = chainOn([first.url, node.rpcUrl]);
  await chain.head();
  await first.close();
  const receipt = await reader().waitForTransactionReceipt({ hash: await chain.submit(batch()) });
  expect(receipt.status).toBe("success");
});

test("a transaction that the node dropped is sent again under the same nonce", async () => {
  const chain = chainOn([node.rpcUrl]);
  await miner().setAutomine(false);
  const dropped = await chain.submit(batch());
  await miner().dropTransaction({ hash: dropped });
  const again = await chain.submit(batch());
  await miner().mine({ blocks: 1 });
  await miner().setAutomine(true);
  const receipt = await reader().getTransactionReceipt({ hash: again });
  expect(receipt.status).toBe("success");
});

test("a fee is not raised for ever: at its ceiling the transaction is left to wait", async () => {
  const chain = chainOn([node.rpcUrl]);
  await miner().setAutomine(false);
  try {
    const refused = async (): Promise<unknown> => {
      for (let count = 0; count < 60; count += 1) await chain.submit(batch());
      return null;
    };
    await expect(refused()).rejects.toThrow(/offers the most we pay/);
  } finally {
    await miner().mine({ blocks: 1 });
    await miner().setAutomine(true);
  }
});

test("a block that a reorganisation replaced has another hash, and one that is gone has none", async () => {
  const chain = chainOn([node.rpcUrl]);
  await miner().mine({ blocks: 2 });
  const head = await chain.head();
  const before = await chain.hashOf(head);
  await miner().request({ method: "anvil_reorg" as never, params: [1, []] as never });
  await miner().mine({ blocks: 1 });
  expect(await chain.hashOf(head)).not.toBe(before);
  expect(await chain.hashOf(head + 50n)).toBeNull();
});
