import { capabilityAuthorityAbi } from "@tac/contracts/abi";
import { type Chain, createChain, createLogger } from "@tac/kit";
import { startTestChain, type TestChain } from "@tac/kit/testing";
import type { Deployment } from "@tac/protocol";
import {
  type Address,
  concatHex,
  createTestClient,
  encodeEventTopics,
  type Hex,
  http,
  numberToHex,
  walletActions,
} from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";
import { type AuthorityWatch, watchAuthority } from "../src/watchAuthority.ts";
import { key } from "./harness.ts";

const authority: Address = `0x${"c0".repeat(20)}`;
const gateway: Address = `0x${"a1".repeat(20)}`;
const tenant: Address = `0x${"b2".repeat(20)}`;

let node: TestChain;
let chain: Chain;
let watch: AuthorityWatch | undefined;
beforeAll(async () => {
  node = await startTestChain();
  chain = createChain({ rpcUrls: [node.rpcUrl], chainId: node.chainId });
});
afterEach(async () => {
  await watch?.close();
});
afterAll(() => node?.stop());

/** Code that logs its calldata: first the topics, then the data behind them. */
const logCode: Record<number, Hex> = {
  2: "0x6040360360405f376020355f35604036035fa200",
  3: "0x6060360360605f376040356020355f35606036035fa300",
};

const emit = async (topics: readonly Hex[], payload: Hex = "0x"): Promise<void> => {
  const client = createTestClient({ mode: "anvil", chain: chain.chain, transport: http(node.rpcUrl) }).extend(
    walletActions,
  );
  await client.setCode({ address: authority, bytecode: logCode[topics.length] ?? "0x" });
  const account = privateKeyToAccount(node.privateKeys[0]);
  const hash = await client.sendTransaction({
    account,
    to: authority,
    data: concatHex([...topics, payload]),
    gas: 200_000n,
  });
  await chain.waitForTransactionReceipt({ hash });
};
const topicsOf = (
  eventName: "GatewayEnrolled" | "GatewayRemoved" | "CapabilityRevoked" | "AllCapabilitiesRevoked",
  args: object,
) => encodeEventTopics({ abi: capabilityAuthorityAbi, eventName, args }) as Hex[];
const word = (value: number): Hex => numberToHex(value, { size: 32 });

const begin = (allowed?: Address[], rpc = chain): AuthorityWatch => {
  const deployment = {
    capabilityAuthority: authority,
    startBlock: 0n,
    chainId: node.chainId,
  } as Deployment.Deployment;
  watch = watchAuthority({
    chain: rpc,
    deployment,
    allowed,
    logger: createLogger({ service: "provider-sim", level: "silent" }),
    pollMs: 20,
  });
  return watch;
};

test("follows enrolment, removal and revocations from the chain", async () => {
  const watched = begin();
  expect(watched.assertFresh).toThrow(expect.objectContaining({ code: "chain_unavailable" }));
  await vi.waitFor(() => watched.assertFresh(), 5_000);
  expect(watched.isGateway(gateway)).toBe(false);

  await emit(topicsOf("GatewayEnrolled", { gateway }));
  await vi.waitFor(() => expect(watched.isGateway(gateway)).toBe(true), 5_000);

  const token = { tenant, issuedAt: 1_000 };
  expect(watched.isRevoked(key("44"), token)).toBe(false);
  await emit(topicsOf("CapabilityRevoked", { tenant, jobId: key("44") }), word(900));
  await vi.waitFor(() => expect(watched.isRevoked(key("44"), token)).toBe(true), 5_000);
  expect(watched.isRevoked(key("45"), token)).toBe(false);

  await emit(topicsOf("AllCapabilitiesRevoked", { tenant }), word(1_000));
  await vi.waitFor(() => expect(watched.isRevoked(key("45"), token)).toBe(true), 5_000);
  expect(watched.isRevoked(key("45"), { tenant, issuedAt: 1_001 })).toBe(false);

  await emit(topicsOf("GatewayRemoved", { gateway }), word(2_000));
  await vi.waitFor(() => expect(watched.isGateway(gateway)).toBe(false), 5_000);
});

test("accepts of the enrolled gateways only those it was told", async () => {
  await emit(topicsOf("GatewayEnrolled", { gateway }));
  const watched = begin([`0x${"d4".repeat(20)}`]);
  await vi.waitFor(() => watched.assertFresh(), 5_000);
  expect(watched.isGateway(gateway)).toBe(false);
});

test("refuses to answer when the chain cannot be reached", async () => {
  const watched = begin(
    undefined,
    createChain({ rpcUrls: ["http://127.0.0.1:1"], chainId: node.chainId, timeoutMs: 100 }),
  );
  await new Promise((wait) => setTimeout(wait, 300));
  expect(watched.assertFresh).toThrow(expect.objectContaining({ code: "chain_unavailable" }));
});
