import { once } from "node:events";
import { createServer } from "node:http";
import { text } from "node:stream/consumers";
import { type Address, createTestClient, createWalletClient, type Hex, http } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import {
  assertChainId,
  type Chain,
  ChainRevert,
  createChain,
  createSender,
  type FollowedLogs,
  followLogs,
  type LogFollower,
} from "../src/index.ts";
import { freePort, startTestChain, type TestChain } from "../src/testing/index.ts";
import { fixtureAbi, fixtureBytecode, fixtureErrorAbi } from "./fixtureContract.ts";

let node: TestChain;
let chain: Chain;
let contract: Address;
const settings = () => ({ rpcUrls: [node.rpcUrl], chainId: node.chainId, pollMs: 30 });
const miner = () => createTestClient({ mode: "anvil", transport: http(node.rpcUrl) });

beforeAll(async () => {
  node = await startTestChain();
  chain = createChain(settings());
  const account = privateKeyToAccount(node.privateKeys[2]);
  const wallet = createWalletClient({ account, chain: chain.chain, transport: http(node.rpcUrl) });
  const hash = await wallet.deployContract({ abi: fixtureAbi, bytecode: fixtureBytecode });
  const receipt = await chain.waitForTransactionReceipt({ hash });
  if (!receipt.contractAddress) throw new Error("The fixture was not deployed");
  contract = receipt.contractAddress;
});
afterAll(() => node?.stop());

const senderOf = (privateKey: Hex) =>
  createSender({
    chain,
    settings: settings(),
    privateKey,
    errorAbi: fixtureErrorAbi,
    receiptTimeoutMs: 10_000,
  });
const call = (functionName: string, ...args: unknown[]) => ({
  address: contract,
  abi: fixtureAbi,
  functionName,
  args,
});

describe("createChain", () => {
  test("asks the next RPC endpoint when the first is down", async () => {
    const rpcUrls = [`http://127.0.0.1:${await freePort()}`, node.rpcUrl];
    expect(await createChain({ rpcUrls, chainId: node.chainId }).getChainId()).toBe(node.chainId);
  });

  test("asks the next RPC endpoint for logs of blocks that the first has not seen yet", async () => {
    const asked: string[] = [];
    const behind = createServer(async (request, response) => {
      const { id, method } = JSON.parse(await text(request));
      asked.push(method);
      const result = method === "eth_blockNumber" ? "0x0" : [];
      response
        .setHeader("content-type", "application/json")
        .end(JSON.stringify({ jsonrpc: "2.0", id, result }));
    }).listen(0, "127.0.0.1");
    await once(behind, "listening");
    const address = behind.address();
    if (address === null || typeof address === "string") throw new Error("no port");
    try {
      await senderOf(node.privateKeys[2]).send(call("bump", 7n));
      const rpcUrls = [`http://127.0.0.1:${address.port}`, node.rpcUrl];
      const split = createChain({ rpcUrls, chainId: node.chainId });
      const toBlock = await chain.getBlockNumber();
      const logs = await split.getLogs({ address: contract, fromBlock: 1n, toBlock });
      expect(logs.length).toBeGreaterThan(0);
      expect(asked).not.toContain("eth_getLogs");
    } finally {
      behind.close();
    }
  });

  test("gives up on an endpoint that never answers", async () => {
    const silent = createServer(() => undefined).listen(0, "127.0.0.1");
    await once(silent, "listening");
    const address = silent.address();
    if (address === null || typeof address === "string") throw new Error("no port");
    const rpcUrls = [`http://127.0.0.1:${address.port}`, node.rpcUrl];
    expect(await createChain({ rpcUrls, chainId: node.chainId, timeoutMs: 100 }).getChainId()).toBe(
      node.chainId,
    );
    silent.closeAllConnections();
    silent.close();
  });

  test("refuses the endpoint of another chain", async () => {
    await assertChainId(chain);
    const other = createChain({ rpcUrls: [node.rpcUrl], chainId: 8453 });
    await expect(assertChainId(other)).rejects.toThrow(
      "serves chain 31337, but this deployment is on chain 8453",
    );
  });
});

describe("createSender", () => {
  test("submits and waits for the block", async () => {
    const receipt = await senderOf(node.privateKeys[0]).send(call("bump", 5n));
    expect(receipt.status).toBe("success");
    expect(receipt.logs).toHaveLength(1);
  });

  test("gives overlapping calls consecutive nonces", async () => {
    const sender = senderOf(node.privateKeys[0]);
    const before = await chain.getTransactionCount({ address: sender.address });
    const receipts = await Promise.all(
      Array.from({ length: 12 }, (_, n) => sender.send(call("bump", BigInt(n)))),
    );
    expect(new Set(receipts.map(({ transactionHash }) => transactionHash)).size).toBe(12);
    expect(await chain.getTransactionCount({ address: sender.address })).toBe(before + 12);
  });

  test("decodes the reason of a refusal, and goes on with the next call", async () => {
    const sender = senderOf(node.privateKeys[0]);
    const [refused, accepted] = await Promise.allSettled([
      sender.send(call("refuse", 77n)),
      sender.send(call("bump", 1n)),
    ]);
    expect(refused).toMatchObject({ status: "rejected", reason: { errorName: "Refused", args: [77n] } });
    expect(refused.status === "rejected" && refused.reason).toBeInstanceOf(ChainRevert);
    expect(accepted.status).toBe("fulfilled");
  });

  test("names the selector of an error that no ABI declares", async () => {
    const sender = createSender({ chain, settings: settings(), privateKey: node.privateKeys[0] });
    await expect(sender.send(call("refuse", 1n))).rejects.toMatchObject({
      errorName: expect.stringMatching(/^unknown error 0x/),
    });
  });

  test("decodes a refusal that shows only in the block", async () => {
    await miner().setAutomine(false);
    try {
      const sending = [
        senderOf(node.privateKeys[0]).send(call("once")),
        senderOf(node.privateKeys[1]).send(call("once")),
      ];
      const outcomes = Promise.allSettled(sending);
      await vi.waitFor(async () => {
        const { pending } = await miner().getTxpoolStatus();
        expect(pending).toBe(2);
      }, 5_000);
      await miner().mine({ blocks: 1 });
      const reasons = (await outcomes).flatMap((outcome) =>
        outcome.status === "rejected" ? [outcome.reason] : [],
      );
      expect(reasons).toHaveLength(1);
      expect(reasons[0]).toMatchObject({
        errorName: "AlreadyDone",
        transactionHash: expect.stringMatching(/^0x/),
      });
    } finally {
      await miner().setAutomine(true);
    }
  });

  test("says chain_unavailable when no endpoint answers", async () => {
    const rpcUrls = [`http://127.0.0.1:${await freePort()}`];
    const down = { rpcUrls, chainId: node.chainId, timeoutMs: 200 };
    const sender = createSender({
      chain: createChain(down),
      settings: down,
      privateKey: node.privateKeys[0],
    });
    await expect(sender.send(call("bump", 1n))).rejects.toMatchObject({ code: "chain_unavailable" });
  });
});

describe("followLogs", () => {
  const followers: LogFollower[] = [];
  afterEach(() => Promise.all(followers.splice(0).map((follower) => follower.stop())));

  const follow = (start: bigint, stored: { cursor?: bigint }, fault: () => void = () => undefined) => {
    const seen: bigint[] = [];
    const errors: unknown[] = [];
    const follower = followLogs({
      client: chain,
      address: contract,
      abi: fixtureAbi,
      fromBlock: start,
      pollMs: 20,
      maxRange: 2n,
      onLogs: async (logs: FollowedLogs<typeof fixtureAbi>) => {
        fault();
        for (const log of logs) if (log.eventName === "Bumped") seen.push(log.args.amount);
      },
      loadCursor: async () => stored.cursor,
      saveCursor: async (block) => {
        stored.cursor = block;
      },
      onError: (error) => errors.push(error),
    });
    followers.push(follower);
    return { follower, seen, errors };
  };

  test("delivers the logs in order, resumes at the cursor and reports no lag at the head", async () => {
    const sender = senderOf(node.privateKeys[0]);
    const start = (await chain.getBlockNumber()) + 1n;
    const stored: { cursor?: bigint } = {};
    for (const amount of [101n, 102n, 103n, 104n, 105n]) await sender.send(call("bump", amount));
    const first = follow(start, stored);
    await vi.waitFor(() => expect(first.seen).toEqual([101n, 102n, 103n, 104n, 105n]), 5_000);
    await vi.waitFor(() => expect(first.follower.lagBlocks()).toBe(0n));
    await first.follower.stop();
    await sender.send(call("bump", 106n));
    expect(first.seen).toHaveLength(5);
    const second = follow(start, stored);
    await vi.waitFor(() => expect(second.seen).toEqual([106n]), 5_000);
    expect(stored.cursor).toBe(await chain.getBlockNumber());
  });

  test("repeats a range whose handling failed, and skips nothing", async () => {
    const start = (await chain.getBlockNumber()) + 1n;
    await senderOf(node.privateKeys[0]).send(call("bump", 201n));
    let faults = 2;
    const { seen, errors } = follow(start, {}, () => {
      if (faults > 0) {
        faults -= 1;
        throw new Error("store down");
      }
    });
    await vi.waitFor(() => expect(seen).toEqual([201n]), 5_000);
    expect(errors).toHaveLength(2);
  });

  test("is caught up only as of a time whose blocks were handled", async () => {
    const start = (await chain.getBlockNumber()) + 1n;
    await senderOf(node.privateKeys[0]).send(call("bump", 301n));
    let isDown = true;
    const { follower, errors } = follow(start, {}, () => {
      if (isDown) throw new Error("store down");
    });
    await vi.waitFor(() => expect(errors.length).toBeGreaterThan(1), 5_000);
    expect(follower.caughtUpAtMs()).toBe(0);
    expect(follower.lagBlocks()).toBe(1n);
    const recoveredAtMs = Date.now();
    isDown = false;
    await vi.waitFor(() => expect(follower.caughtUpAtMs()).toBeGreaterThanOrEqual(recoveredAtMs), 5_000);
  });
});
