import { startTestChain, type TestChain } from "@tac/kit/testing";
import { createPublicClient, createTestClient, http } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createViemChain } from "../src/chain/viemChain.ts";
import { deployment, hex32 } from "./support/World.ts";

let node: TestChain;

beforeAll(async () => {
  node = await startTestChain();
  const { usageReceipts: address } = deployment;
  // STOP: a contract that takes every call.
  await createTestClient({ mode: "anvil", transport: http(node.rpcUrl) }).setCode({
    address,
    bytecode: "0x00",
  });
});

afterAll(() => node?.stop());

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

test("a transaction that still waits is replaced by the next one, and does not hold it up", async () => {
  const miner = createTestClient({ mode: "anvil", transport: http(node.rpcUrl) });
  const client = createPublicClient({ transport: http(node.rpcUrl) });
  const [, submitterPrivateKey] = node.privateKeys;
  if (submitterPrivateKey === undefined) throw new Error("no key");
  const chain = createViemChain({
    deployment: { ...deployment, chainId: node.chainId },
    rpcUrls: [node.rpcUrl],
    submitterPrivateKey,
    confirmations: 0n,
  });
  const { address } = privateKeyToAccount(submitterPrivateKey);
  await miner.setAutomine(false);
  const first = await chain.submit(batch());
  const second = await chain.submit(batch());
  const third = await chain.submit(batch());
  await miner.mine({ blocks: 1 });
  expect(await client.getTransactionCount({ address })).toBe(1);
  expect((await client.getTransactionReceipt({ hash: third })).status).toBe("success");
  await expect(client.getTransactionReceipt({ hash: first })).rejects.toThrow();
  await expect(client.getTransactionReceipt({ hash: second })).rejects.toThrow();
  await miner.setAutomine(true);
  const fourth = await client.waitForTransactionReceipt({ hash: await chain.submit(batch()) });
  expect(fourth.status).toBe("success");
});
