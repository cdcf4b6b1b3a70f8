import { once } from "node:events";
import { createServer } from "node:http";
import {
  capabilityAuthorityAbi,
  creditVaultAbi,
  providerRegistryAbi,
  usageReceiptsAbi,
} from "@tac/contracts/abi";
import { Line } from "@tac/protocol";
import {
  type Address,
  decodeFunctionData,
  encodeFunctionData,
  encodeFunctionResult,
  type Hex,
  numberToHex,
  zeroAddress,
  zeroHash,
} from "viem";
import { z } from "zod";
import type { RawLog } from "../src/chain/decodeLog.ts";
import { encodeLog } from "./encodeLog.ts";
import { createMemoryChain } from "./memoryChain.ts";
import { deployment, type World } from "./world.ts";

const HEAD = 100n;
const callSchema = z.object({ id: z.number(), method: z.string(), params: z.array(z.unknown()).default([]) });
const hexText = z.templateLiteral(["0x", z.string()]);
const filterSchema = z.object({
  address: hexText,
  fromBlock: hexText,
  toBlock: hexText,
  topics: z.array(hexText.nullable()),
});
const ethCallSchema = z.object({ to: hexText, data: hexText });

export type RpcNode = { url: string; methods: string[]; stop: () => Promise<void> };

/** A JSON-RPC node on loopback that serves the world as contracts of the real ABI would. */
export async function startRpcNode(world: World): Promise<RpcNode> {
  const methods: string[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", async () => {
      const { id, method, params } = callSchema.parse(JSON.parse(Buffer.concat(chunks).toString("utf8")));
      methods.push(method);
      const result = await answer(world, method, params);
      response.setHeader("content-type", "application/json");
      response.end(JSON.stringify({ jsonrpc: "2.0", id, result }));
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("The node has no port.");
  return {
    url: `http://127.0.0.1:${address.port}`,
    methods,
    stop: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

async function answer(world: World, method: string, params: unknown[]): Promise<unknown> {
  const logs = world.state.events.map(encodeLog);
  const hash = hexText.safeParse(params[0]).data;
  const ofTransaction = logs.filter((log) => log.transactionHash === hash);
  switch (method) {
    case "eth_chainId":
      return numberToHex(world.state.chainId);
    case "eth_blockNumber":
      return numberToHex(HEAD);
    case "eth_getLogs": {
      const filter = filterSchema.parse(params[0]);
      return logs.filter((log) => matches(log, filter)).map(rpcLog);
    }
    case "eth_getTransactionReceipt":
      return ofTransaction[0] === undefined
        ? null
        : rpcReceipt(ofTransaction, submissionOf(world, hash) !== null);
    case "eth_getTransactionByHash":
      return ofTransaction[0] === undefined
        ? null
        : rpcTransaction(ofTransaction[0], submissionOf(world, hash) ?? "0x");
    case "eth_getBlockByNumber": {
      const number = BigInt(hexText.parse(params[0]));
      return {
        number: numberToHex(number),
        timestamp: numberToHex(world.state.timestampOf(number)),
        transactions: [],
      };
    }
    case "eth_call":
      return callContract(world, ethCallSchema.parse(params[0]));
    default:
      throw new Error(`The node has no ${method}.`);
  }
}

function submissionOf(world: World, hash: Hex | undefined): Hex | null {
  const batch = world.batches.find(({ committed }) => committed.transactionHash === hash);
  if (batch === undefined) return null;
  return encodeFunctionData({
    abi: usageReceiptsAbi,
    functionName: "submit",
    args: [batch.committed.header, batch.built.lines.map(Line.toAbi), batch.signature, world.group.publicKey],
  });
}

function matches(log: RawLog, filter: z.infer<typeof filterSchema>): boolean {
  const block = log.blockNumber ?? 0n;
  return (
    log.address === filter.address &&
    block >= BigInt(filter.fromBlock) &&
    block <= BigInt(filter.toBlock) &&
    filter.topics.every((topic, index) => topic === null || topic === log.topics[index])
  );
}

const rpcLog = (log: RawLog) => ({
  address: log.address,
  topics: log.topics,
  data: log.data,
  transactionHash: log.transactionHash,
  blockNumber: numberToHex(log.blockNumber ?? 0n),
  logIndex: numberToHex(log.logIndex ?? 0),
  blockHash: zeroHash,
  transactionIndex: "0x0",
  removed: false,
});

const rpcReceipt = (logs: RawLog[], isSubmission: boolean) => ({
  transactionHash: logs[0]?.transactionHash,
  blockNumber: numberToHex(logs[0]?.blockNumber ?? 0n),
  blockHash: zeroHash,
  transactionIndex: "0x0",
  from: zeroAddress,
  to: isSubmission ? deployment.usageReceipts : deployment.creditVault,
  contractAddress: null,
  cumulativeGasUsed: "0x1",
  effectiveGasPrice: "0x1",
  gasUsed: "0x1",
  logs: logs.map(rpcLog),
  logsBloom: "0x",
  status: "0x1",
  type: "0x2",
});

const rpcTransaction = (log: RawLog, input: Hex) => ({
  hash: log.transactionHash,
  blockNumber: numberToHex(log.blockNumber ?? 0n),
  blockHash: zeroHash,
  transactionIndex: "0x0",
  from: zeroAddress,
  to: deployment.usageReceipts,
  input,
  gas: "0x1",
  gasPrice: "0x1",
  nonce: "0x0",
  value: "0x0",
  type: "0x0",
  v: "0x1b",
  r: zeroHash,
  s: zeroHash,
});

async function callContract(world: World, { to, data }: { to: Address; data: Hex }): Promise<Hex> {
  const chain = createMemoryChain(world.state);
  if (to === deployment.creditVault) {
    const { functionName, args } = decodeFunctionData({ abi: creditVaultAbi, data });
    if (functionName !== "lockOf") throw new Error(`Unexpected ${functionName}.`);
    const lock = await chain.lockOf(args[0]);
    return encodeFunctionResult({
      abi: creditVaultAbi,
      functionName,
      result: {
        ...lock,
        remainingNano: 0n,
        expiresAt: 0,
        revokedAt: 0,
        validAfter: 0,
        state: ["none", "open", "closed"].indexOf(lock.state),
      },
    });
  }
  if (to === deployment.providerRegistry) {
    const { functionName, args } = decodeFunctionData({ abi: providerRegistryAbi, data });
    if (functionName !== "tariffHashOf") throw new Error(`Unexpected ${functionName}.`);
    const result = await chain.tariffHashOf(...args);
    return encodeFunctionResult({ abi: providerRegistryAbi, functionName, result });
  }
  if (to === deployment.capabilityAuthority) {
    const { functionName, args } = decodeFunctionData({ abi: capabilityAuthorityAbi, data });
    if (functionName !== "gatewayTerm") throw new Error(`Unexpected ${functionName}.`);
    const { enrolledAt, removedAt } = await chain.gatewayTerm(`0x${args[0].slice(2).toLowerCase()}`);
    return encodeFunctionResult({
      abi: capabilityAuthorityAbi,
      functionName,
      result: [enrolledAt, removedAt],
    });
  }
  const { functionName, args } = decodeFunctionData({ abi: usageReceiptsAbi, data });
  if (functionName === "rootOf")
    return encodeFunctionResult({ abi: usageReceiptsAbi, functionName, result: await chain.rootOf(...args) });
  if (functionName !== "laneOf") throw new Error(`Unexpected ${functionName}.`);
  // The lane has moved on to epoch 2, so the key of epoch 1 has to be found in the logs.
  const result = {
    nextBatchNumber: 3n,
    lastWindowEnd: 0n,
    keyEpoch: 2,
    lastBatchHash: zeroHash,
    keyHash: zeroHash,
  };
  return encodeFunctionResult({ abi: usageReceiptsAbi, functionName, result });
}
