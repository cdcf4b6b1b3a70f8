import { capabilityAuthorityAbi, creditVaultAbi } from "@tac/contracts/abi";
import {
  type Chain,
  createChain,
  createLogger,
  createPool,
  createSender,
  type Pool,
  type Sender,
} from "@tac/kit";
import {
  deployContracts,
  depositForTenant,
  startTestChain,
  startTestDatabase,
  type TestChain,
  type TestDatabase,
} from "@tac/kit/testing";
import { Capability, Deployment, Revocation } from "@tac/protocol";
import { createTestClient, http } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import type { ChainPort } from "../src/chain/ChainPort.ts";
import { createViemChain } from "../src/chain/viemChain.ts";
import { bytesOf } from "../src/ledger/bytes.ts";
import { prepareStore } from "../src/ledger/prepareStore.ts";
import { LockKeeper } from "../src/release/LockKeeper.ts";
import { ReleaseStore } from "../src/release/ReleaseStore.ts";
import { hex32 } from "./support/hex32.ts";

const LIFETIME_SECONDS = 600;
const LOCKED_NANO = 5_000_000n;

let database: TestDatabase;
let pool: Pool;
let node: TestChain;
let deployment: Deployment.Deployment;
let chain: Chain;
let senders: [Sender, Sender];
let ports: [ChainPort, ChainPort];

const clock = () => createTestClient({ mode: "anvil", transport: http(node.rpcUrl) });

beforeAll(async () => {
  node = await startTestChain();
  database = await startTestDatabase();
  await prepareStore({ databaseUrl: database.url, migrationUrl: undefined });
  pool = createPool({ url: database.url, max: 2, onIdleError: () => undefined });
  deployment = await deployContracts(node.rpcUrl, node.privateKeys[0]);
  await depositForTenant(node, deployment, 1_000_000n);
  const settings = { rpcUrls: [node.rpcUrl], chainId: node.chainId };
  chain = createChain(settings);
  const senderOf = (key: 0 | 2) =>
    createSender({ chain, settings, privateKey: node.privateKeys[key], errorAbi: creditVaultAbi });
  senders = [senderOf(0), senderOf(2)];
  ports = [createViemChain(chain, senders[0], deployment), createViemChain(chain, senders[1], deployment)];
});
afterAll(async () => {
  await pool?.end();
  await database?.stop();
  await node?.stop();
});

let capability: Capability.Capability;
beforeEach(async () => {
  const tenantKey = node.privateKeys[1];
  const tenant = privateKeyToAccount(tenantKey).address.toLowerCase() as `0x${string}`;
  const { timestamp } = await chain.getBlock();
  const salt = hex32();
  capability = {
    tenant,
    jobId: Capability.jobId(tenant, salt),
    quoteHash: hex32(),
    maxSpendNano: LOCKED_NANO,
    holder: hex32(),
    binding: Capability.BINDING_EXPORTER,
    countersigned: false,
    validAfter: timestamp - 10n,
    expiresAt: timestamp + BigInt(LIFETIME_SECONDS),
    salt,
  };
  const signature = Capability.sign(capability, Deployment.domains(deployment).capability, tenantKey);
  expect(await ports[0].submitLock(capability, signature)).not.toBeNull();
});

const freeNano = () =>
  chain.readContract({
    address: deployment.creditVault,
    abi: creditVaultAbi,
    functionName: "balanceOf",
    args: [capability.tenant],
  });
/** Makes the next block come so many seconds after the lock may first be released. */
const goTo = async (secondsAfter: number): Promise<void> => {
  const { releasableAtSeconds } = await ports[0].lockRelease(capability.jobId);
  await clock().setNextBlockTimestamp({ timestamp: BigInt(releasableAtSeconds + secondsAfter) });
};

test("an open lock says when it may be released and what is paid of it", async () => {
  const { jobId, expiresAt } = capability;
  const lock = await ports[0].lockRelease(jobId);
  expect(lock).toMatchObject({
    state: "open",
    paidNano: 0n,
    releasableAtSeconds: Number(expiresAt) + 86_400,
  });
  expect(lock.nowSeconds).toBeLessThan(Number(expiresAt));
  expect(await ports[0].lockRelease(hex32())).toMatchObject({ state: "none" });
});

test("it is released in the second that its grace is over, and its tenant has the rest", async () => {
  const { jobId } = capability;
  await expect(ports[0].submitRelease(jobId)).rejects.toMatchObject({
    errorName: "CreditVault_NotYetReleasable",
  });
  const before = await freeNano();
  await goTo(0);
  await clock().mine({ blocks: 1 });
  const released = await ports[0].submitRelease(jobId);
  expect(released).toMatchObject({ releasedNano: LOCKED_NANO });
  expect(await freeNano()).toBe(before + LOCKED_NANO);
  expect(await ports[0].lockRelease(jobId)).toMatchObject({ state: "closed" });
  expect(await ports[1].submitRelease(jobId)).toBeNull();
});

test("the keeper finds it in the store, and its tenant has the rest without asking", async () => {
  const { jobId, tenant, validAfter, maxSpendNano } = capability;
  await pool.query(
    `INSERT INTO jobs (job_id, tenant, capability_hash, valid_after_ms, expires_at_ms, max_spend_nano)
     VALUES ($1, $2, $3, $4, store_now_ms(), $5)`,
    [bytesOf(jobId), bytesOf(tenant), bytesOf(hex32()), validAfter * 1000n, maxSpendNano],
  );
  const keeper = new LockKeeper({
    store: new ReleaseStore(pool),
    chain: ports[0],
    logger: createLogger({ service: "gateway", level: "silent" }),
    onReleased: () => undefined,
    settings: { perMinute: 5, marginSeconds: 60 },
  });
  const before = await freeNano();
  await goTo(60);
  await clock().mine({ blocks: 1 });
  expect(await keeper.work()).toBe(1);
  expect(await freeNano()).toBe(before + LOCKED_NANO);
});

test("a revocation on chain brings the time forward", async () => {
  const { timestamp } = await chain.getBlock();
  const { tenant, salt } = capability;
  const revocation = { tenant, salt, deadline: timestamp + 3_600n };
  const domain = Deployment.domains(deployment).capability;
  const hash = await ports[0].submitRevocation(
    revocation,
    Revocation.sign(revocation, domain, node.privateKeys[1]),
  );
  if (hash === null) throw new Error("It was revoked before");
  const { blockNumber } = await chain.getTransactionReceipt({ hash });
  const { timestamp: revokedAt } = await chain.getBlock({ blockNumber });
  expect(revokedAt).toBeGreaterThanOrEqual(timestamp);
  const { releasableAtSeconds } = await ports[0].lockRelease(capability.jobId);
  expect(releasableAtSeconds).toBe(Number(revokedAt) + 86_400);
});

test("two keepers whose transactions reach one block: one releases, for the other it is no error", async () => {
  const { jobId } = capability;
  await goTo(0);
  await clock().mine({ blocks: 1 });
  await clock().setAutomine(false);
  const both = Promise.all(ports.map((port) => port.submitRelease(jobId)));
  await expect
    .poll(() => chain.getBlockTransactionCount({ blockTag: "pending" }), { timeout: 5_000 })
    .toBe(2);
  await clock().mine({ blocks: 1 });
  await clock().setAutomine(true);
  const released = await both;
  expect(released.filter((one) => one === null)).toHaveLength(1);
  expect(released.filter((one) => one?.releasedNano === LOCKED_NANO)).toHaveLength(1);
});

test("revocations and releases are read together, and not at all while the head is the same", async () => {
  const { tenant, jobId } = capability;
  const first = (await chain.getBlockNumber()) + 1n;
  const settings = { rpcUrls: [node.rpcUrl], chainId: node.chainId };
  const holder = createSender({ chain, settings, privateKey: node.privateKeys[1] });
  const authority = { address: deployment.capabilityAuthority, abi: capabilityAuthorityAbi };
  await holder.send({ ...authority, functionName: "revoke", args: [capability.salt] });
  await holder.send({ ...authority, functionName: "revokeAll" });
  await goTo(0);
  await clock().mine({ blocks: 1 });
  await ports[0].submitRelease(jobId);

  const changes = await ports[0].jobChangesFrom(first, null);
  const head = await chain.getBlock();
  expect(changes).toMatchObject({
    revocations: [
      { tenant, jobId },
      { tenant, jobId: null },
    ],
    releasedJobIds: [jobId],
    toBlock: head.number,
    headBlock: head.number,
    headHash: head.hash,
  });
  expect(await ports[0].jobChangesFrom(first, head.hash)).toBeNull();
  await clock().mine({ blocks: 1 });
  expect(await ports[0].jobChangesFrom(head.number + 1n, head.hash)).toMatchObject({
    revocations: [],
    releasedJobIds: [],
    toBlock: head.number + 1n,
  });
});
