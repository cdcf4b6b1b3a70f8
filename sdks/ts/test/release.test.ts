import { deployContracts, depositForTenant, startTestChain, type TestChain } from "@tac/kit/testing";
import { Capability, Deployment, ProtocolError, Wire } from "@tac/protocol";
import { createTestClient, createWalletClient, type Hex, http, parseAbi, publicActions } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type Client, createClient, LockNotReleasableError, type Tenant } from "../src/index.ts";

const GRACE_SECONDS = 86_400n;
const LOCKED_NANO = 3_000_000n;
const vaultAbi = parseAbi([
  "function lock((address tenant, bytes32 jobId, bytes32 quoteHash, uint64 maxSpendNano, bytes32 holder, uint8 binding, bool countersigned, uint64 validAfter, uint64 expiresAt, bytes32 salt) capability, bytes signature) returns (bytes32)",
  "function balanceOf(address tenant) view returns (uint128)",
]);

let node: TestChain;
let deployment: Deployment.Deployment;
const clients: Client[] = [];

const walletOf = (key: 0 | 1 | 2, rpcUrl = node.rpcUrl) =>
  createWalletClient({
    account: privateKeyToAccount(node.privateKeys[key]),
    transport: http(rpcUrl, { retryCount: 0 }),
    pollingInterval: 50,
  });
const reader = () => walletOf(0).extend(publicActions);
const clock = () => createTestClient({ mode: "anvil", transport: http(node.rpcUrl) });
const clientOf = (tenant: Tenant, changes: Partial<Deployment.Deployment> = {}): Client => {
  const client = createClient({
    gatewayUrl: "https://127.0.0.1:1",
    deployment: { ...deployment, ...changes },
    tenant,
  });
  clients.push(client);
  return client;
};
const freeNano = (tenant: Hex) =>
  reader().readContract({
    address: deployment.creditVault,
    abi: vaultAbi,
    functionName: "balanceOf",
    args: [tenant],
  });
const random = (): Hex => Wire.toHex(crypto.getRandomValues(new Uint8Array(32)));

beforeAll(async () => {
  node = await startTestChain();
  deployment = await deployContracts(node.rpcUrl, node.privateKeys[0]);
  await depositForTenant(node, deployment, 1_000_000n);
});
afterAll(async () => {
  await Promise.all(clients.map((client) => client.shutdown()));
  await node?.stop();
});

let capability: Capability.Capability;
beforeEach(async () => {
  const tenant = Wire.privateKeyToAddress(node.privateKeys[1]);
  const { timestamp } = await reader().getBlock();
  const salt = random();
  capability = {
    tenant,
    jobId: Capability.jobId(tenant, salt),
    quoteHash: random(),
    maxSpendNano: LOCKED_NANO,
    holder: random(),
    binding: Capability.BINDING_EXPORTER,
    countersigned: false,
    validAfter: timestamp - 10n,
    expiresAt: timestamp + 600n,
    salt,
  };
  const domain = Deployment.domains(deployment).capability;
  const hash = await walletOf(0).writeContract({
    address: deployment.creditVault,
    abi: vaultAbi,
    functionName: "lock",
    args: [capability, Capability.sign(capability, domain, node.privateKeys[1])],
    chain: null,
  });
  expect((await reader().waitForTransactionReceipt({ hash })).status).toBe("success");
});
const passGrace = async (): Promise<void> => {
  await clock().setNextBlockTimestamp({ timestamp: capability.expiresAt + GRACE_SECONDS });
  await clock().mine({ blocks: 1 });
};

describe("releasing the lock of a job that nobody closed", () => {
  test("before its time says from when it may be", async () => {
    const failure = await clientOf(walletOf(1))
      .release(capability)
      .catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(LockNotReleasableError);
    expect(failure).toMatchObject({
      code: "not_yet_releasable",
      releasableAtMs: (capability.expiresAt + GRACE_SECONDS) * 1000n,
    });
  });

  test("gives the rest to the tenant, once", async () => {
    const client = clientOf(walletOf(1));
    const before = await freeNano(capability.tenant);
    await passGrace();
    const { jobId } = capability;
    const released = await client.release(capability);
    expect(released).toMatchObject({ jobId, releasedNano: LOCKED_NANO });
    expect(released.transactionHash).toMatch(/^0x[0-9a-f]{64}$/);
    expect(await freeNano(capability.tenant)).toBe(before + LOCKED_NANO);
    expect(await client.release(capability)).toEqual({ jobId, releasedNano: 0n, transactionHash: null });
  });

  test("is anybody's to send: whoever pays the gas, the tenant gets the credit", async () => {
    const before = await freeNano(capability.tenant);
    await passGrace();
    const signsOnly = clientOf(privateKeyToAccount(node.privateKeys[1]));
    await signsOnly.release({ jobId: capability.jobId }, { wallet: walletOf(2) });
    expect(await freeNano(capability.tenant)).toBe(before + LOCKED_NANO);
  });

  test("is harmless when somebody else is quicker by a moment", async () => {
    await passGrace();
    await clock().setAutomine(false);
    const both = Promise.all(
      [0 as const, 2 as const].map((key) => clientOf(walletOf(key)).release(capability)),
    );
    await expect
      .poll(() => reader().getBlockTransactionCount({ blockTag: "pending" }), { timeout: 5_000 })
      .toBe(2);
    await clock().mine({ blocks: 1 });
    await clock().setAutomine(true);
    const amounts = (await both).map(({ releasedNano }) => releasedNano);
    expect(amounts.toSorted()).toEqual([0n, LOCKED_NANO]);
  });

  test.each<[string, string, () => Promise<unknown>]>([
    [
      "a job that was never locked",
      "job_not_locked",
      () => clientOf(walletOf(1)).release({ jobId: random() }),
    ],
    [
      "a tenant that only signs, and no wallet",
      "invalid_request",
      () => clientOf(privateKeyToAccount(node.privateKeys[1])).release(capability),
    ],
    [
      "a wallet of another chain",
      "invalid_request",
      () => clientOf(walletOf(1), { chainId: 8453 }).release(capability),
    ],
    [
      "a chain that is away",
      "chain_unavailable",
      () => clientOf(walletOf(1, "http://127.0.0.1:1")).release(capability),
    ],
  ])("%s is refused as such", async (_what, code, attempt) => {
    const failure = await attempt().catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(ProtocolError);
    expect(failure).toMatchObject({ code });
  });
});
