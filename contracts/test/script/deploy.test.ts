import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { startTestChain, type TestChain } from "@tac/kit/testing";
import { Deployment } from "@tac/protocol";
import {
  type Address,
  createTestClient,
  encodeFunctionData,
  getAddress,
  type Hex,
  http,
  publicActions,
  walletActions,
  zeroHash,
} from "viem";
import { generatePrivateKey, privateKeyToAddress } from "viem/accounts";
import { baseSepolia } from "viem/chains";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { capabilityAuthorityAbi, paramGovernorAbi, usageReceiptsAbi } from "../../abi/index.ts";
import vectors from "../vectors/bls.json" with { type: "json" };
import { creationCodeOf, readJson, runScript, scratchDir, surprises } from "./support.ts";

describe("Deploy and Check on Base Sepolia's chain id", () => {
  const dir = scratchDir();
  const addressesFile = join(dir, "addresses.json");
  const proposer = privateKeyToAddress(generatePrivateKey());
  const guardian = privateKeyToAddress(generatePrivateKey());
  const feeRecipient = privateKeyToAddress(generatePrivateKey());
  const stranger = privateKeyToAddress(generatePrivateKey());
  let chain: TestChain;
  let deployer: Address;
  let asset: Address;
  let environment: Record<string, string>;
  let deployment: Deployment.Deployment;

  const client = () =>
    createTestClient({ mode: "anvil", chain: baseSepolia, transport: http(chain.rpcUrl) })
      .extend(publicActions)
      .extend(walletActions);
  const deploy = (more: Record<string, string> = {}) =>
    runScript("Deploy", chain.rpcUrl, { PRIVATE_KEY: chain.privateKeys[0], ...environment, ...more });
  const check = (more: Record<string, string> = {}) =>
    runScript("Check", chain.rpcUrl, { ...environment, ...more });

  /** Sends a call that only the timelock may make, as no key could. */
  const asGovernor = async (to: Address, call: Hex): Promise<void> => {
    const governor = deployment.paramGovernor;
    await client().impersonateAccount({ address: governor });
    await client().setBalance({ address: governor, value: 10n ** 18n });
    const hash = await client().sendTransaction({ account: governor, to, data: call });
    await client().stopImpersonatingAccount({ address: governor });
    const { status } = await client().waitForTransactionReceipt({ hash });
    expect(status).toBe("success");
  };
  /** Undoes what the test did to the chain, so that tests do not depend on each other. */
  const onACopy = async (test: () => Promise<void>): Promise<void> => {
    const id = await client().snapshot();
    try {
      await test();
    } finally {
      await client().revert({ id });
    }
  };

  beforeAll(async () => {
    chain = await startTestChain({ chainId: baseSepolia.id });
    deployer = privateKeyToAddress(chain.privateKeys[0]);
    const owner = privateKeyToAddress(chain.privateKeys[2]);
    const hash = await client().sendTransaction({
      account: owner,
      data: creationCodeOf("MockUSDC"),
      to: null,
    });
    const { contractAddress } = await client().waitForTransactionReceipt({ hash });
    if (!contractAddress) throw new Error("The asset was not deployed.");
    asset = contractAddress;
    environment = {
      ASSET: asset,
      GOVERNOR_PROPOSER: proposer,
      GUARDIAN: guardian,
      FEE_RECIPIENT: feeRecipient,
      AGGREGATOR_PUBLIC_KEY: vectors.first.publicKey,
      AGGREGATOR_POSSESSION_PROOF: vectors.first.possessionProof,
      ADDRESSES_FILE: addressesFile,
      FOUNDRY_BROADCAST: join(dir, "broadcast"),
    };
    const { exitCode, output } = await deploy();
    expect(output).toContain("ONCHAIN EXECUTION COMPLETE & SUCCESSFUL");
    expect(exitCode).toBe(0);
    deployment = Deployment.schema.parse(readJson(addressesFile));
  }, 300_000);

  afterAll(async () => {
    await chain?.stop();
    rmSync(dir, { recursive: true, force: true });
  });

  it("leaves nothing that surprises Check", async () => {
    const run = await check();
    expect(surprises(run)).toEqual([]);
    expect(run.output).toMatch(/[6-9]\d facts read back, none of them surprising/);
    expect(run.exitCode).toBe(0);
  });

  it("keeps every transaction far below the most one may use on Base", async () => {
    const head = await client().getBlockNumber();
    let sent = 0;
    for (let blockNumber = 0n; blockNumber <= head; blockNumber++) {
      const { transactions } = await client().getBlock({ blockNumber, includeTransactions: true });
      for (const { gas, from } of transactions) {
        if (from === deployer.toLowerCase()) sent++;
        expect(gas).toBeLessThan(16_777_216n / 3n);
      }
    }
    expect(sent, "the factory and eight contracts").toBe(9);
  });

  it("gives the deployer no role, and each role to its holder alone", async () => {
    const { paramGovernor: address } = deployment;
    const abi = paramGovernorAbi;
    const roles = ["PROPOSER_ROLE", "EXECUTOR_ROLE", "CANCELLER_ROLE", "GUARDIAN_ROLE"] as const;
    for (const functionName of [...roles, "DEFAULT_ADMIN_ROLE"] as const) {
      const role = await client().readContract({ address, abi, functionName });
      const holds = (account: Address) =>
        client().readContract({ address, abi, functionName: "hasRole", args: [role, account] });
      expect(await holds(deployer), functionName).toBe(false);
      expect(await holds(guardian), functionName).toBe(functionName === "GUARDIAN_ROLE");
      expect(await holds(proposer), functionName).toBe(
        functionName !== "GUARDIAN_ROLE" && functionName !== "DEFAULT_ADMIN_ROLE",
      );
      expect(await holds(address), functionName).toBe(functionName === "DEFAULT_ADMIN_ROLE");
    }
  });

  it("does nothing the second time, and keeps the start block", async () => {
    const nonce = await client().getTransactionCount({ address: deployer });
    const { exitCode } = await deploy();
    expect(exitCode).toBe(0);
    expect(await client().getTransactionCount({ address: deployer })).toBe(nonce);
    expect(Deployment.schema.parse(readJson(addressesFile))).toEqual(deployment);
  });

  it("gives the same addresses on another chain, after another history, and others for another salt", async () => {
    const other = await startTestChain({ chainId: 8453 });
    try {
      const there = createTestClient({ mode: "anvil", transport: http(other.rpcUrl) }).extend(walletActions);
      const code = await client().getCode({ address: asset });
      await there.setCode({ address: asset, bytecode: code ?? "0x" });
      await there.setNonce({ address: deployer, nonce: 77 });
      const on = (file: string, more: Record<string, string> = {}) =>
        runScript("Deploy", other.rpcUrl, {
          PRIVATE_KEY: chain.privateKeys[0],
          ...environment,
          ADDRESSES_FILE: join(dir, file),
          ...more,
        });
      expect((await on("same.json")).exitCode).toBe(0);
      expect((await on("salted.json", { DEPLOY_SALT: `0x${"01".repeat(32)}` })).exitCode).toBe(0);
      const same = Deployment.schema.parse(readJson(join(dir, "same.json")));
      const salted = Deployment.schema.parse(readJson(join(dir, "salted.json")));
      expect(same).toEqual({ ...deployment, chainId: 8453, startBlock: same.startBlock });
      expect(salted.creditVault).not.toBe(deployment.creditVault);
    } finally {
      await other.stop();
    }
  });

  it.each(["ASSET", "GOVERNOR_PROPOSER", "GUARDIAN", "FEE_RECIPIENT"])(
    "refuses to guess %s",
    async (name) => {
      const { exitCode, output } = await deploy({ [name]: "" });
      expect(exitCode).not.toBe(0);
      expect(output).toContain(`Environment_Required("${name}", 84532`);
    },
  );

  it.each(["GOVERNOR_PROPOSER", "GUARDIAN"])(
    "refuses the deployer as %s, and sends nothing",
    async (name) => {
      const nonce = await client().getTransactionCount({ address: deployer });
      const { exitCode, output } = await deploy({ [name]: deployer, DEPLOY_SALT: "7" });
      expect(exitCode).not.toBe(0);
      expect(output).toContain("Deploy_DeployerHoldsRole");
      expect(await client().getTransactionCount({ address: deployer })).toBe(nonce);
    },
  );

  it("refuses an aggregator key that nobody proved to hold", async () => {
    const { exitCode, output } = await deploy({
      AGGREGATOR_POSSESSION_PROOF: vectors.second.possessionProof,
    });
    expect(exitCode).not.toBe(0);
    expect(output).toContain("Environment_InvalidPossessionProof");
  });

  it("names an extra holder of a role, and an operation that would make one", () =>
    onACopy(async () => {
      const abi = paramGovernorAbi;
      const { paramGovernor: address } = deployment;
      const role = await client().readContract({ address, abi, functionName: "PROPOSER_ROLE" });
      await asGovernor(
        address,
        encodeFunctionData({ abi, functionName: "grantRole", args: [role, stranger] }),
      );
      await client().impersonateAccount({ address: stranger });
      await client().setBalance({ address: stranger, value: 10n ** 18n });
      const call = encodeFunctionData({ abi, functionName: "updateDelay", args: [0n] });
      const hash = await client().sendTransaction({
        account: stranger,
        to: address,
        data: encodeFunctionData({
          abi,
          functionName: "schedule",
          args: [address, 0n, call, zeroHash, zeroHash, 172_800n],
        }),
      });
      await client().waitForTransactionReceipt({ hash });

      const run = await check();
      expect(run.exitCode).not.toBe(0);
      expect(surprises(run)).toEqual([
        `PROPOSER_ROLE is also held by ${getAddress(stranger)}`,
        expect.stringMatching(/^operation 0x[0-9a-f]{64} is pending in the timelock$/),
      ]);
    }));

  it("names a missing holder", () =>
    onACopy(async () => {
      const abi = paramGovernorAbi;
      const { paramGovernor: address } = deployment;
      const role = await client().readContract({ address, abi, functionName: "GUARDIAN_ROLE" });
      await asGovernor(
        address,
        encodeFunctionData({ abi, functionName: "revokeRole", args: [role, guardian] }),
      );
      expect(surprises(await check())).toEqual([`GUARDIAN_ROLE is not held by ${getAddress(guardian)}`]);
    }));

  it("names every changed parameter, key, lane and gateway", () =>
    onACopy(async () => {
      const { paramGovernor, usageReceipts, capabilityAuthority } = deployment;
      const { publicKey, possessionProof } = vectors.second;
      const key = [publicKey as Hex, possessionProof as Hex] as const;
      const feeBps: Hex = `0x${Buffer.from("feeBps").toString("hex").padEnd(64, "0")}`;
      await asGovernor(
        paramGovernor,
        encodeFunctionData({ abi: paramGovernorAbi, functionName: "setParam", args: [feeBps, 200n] }),
      );
      await asGovernor(
        paramGovernor,
        encodeFunctionData({ abi: paramGovernorAbi, functionName: "updateDelay", args: [172_801n] }),
      );
      await asGovernor(
        usageReceipts,
        encodeFunctionData({ abi: usageReceiptsAbi, functionName: "rotateKey", args: [0, ...key] }),
      );
      await asGovernor(
        usageReceipts,
        encodeFunctionData({ abi: usageReceiptsAbi, functionName: "openLane", args: [5, ...key] }),
      );
      await asGovernor(
        capabilityAuthority,
        encodeFunctionData({
          abi: capabilityAuthorityAbi,
          functionName: "enrolGateway",
          args: [stranger],
        }),
      );

      const found = surprises(await check());
      expect(found).toEqual([
        "ParamGovernor.getMinDelay is 172801, expected 172800",
        "feeBps is 200, expected 100",
        expect.stringMatching(/^key hash of lane 0 is 0x[0-9a-f]{64}, expected 0x[0-9a-f]{64}$/),
        "key epoch of lane 0 is 2, expected 1",
        `gateway ${getAddress(stranger)} is enrolled`,
        "lane 5 is open",
      ]);
      expect(surprises(await check({ GATEWAYS: stranger }))).not.toContain(
        `gateway ${getAddress(stranger)} is enrolled`,
      );
    }));

  it("names code that was not compiled here, and an immutable that was changed in it", () =>
    onACopy(async () => {
      const address = deployment.creditVault;
      const code = (await client().getCode({ address })) ?? "0x";
      const treasury = deployment.settlementTreasury.slice(2);
      expect(code).toContain(treasury);
      await client().setCode({ address, bytecode: code.replaceAll(treasury, stranger.slice(2)) as Hex });
      expect(surprises(await check())).toEqual([
        `CreditVault.treasury is ${getAddress(stranger)}, expected ${getAddress(deployment.settlementTreasury)}`,
      ]);
      await client().setCode({ address, bytecode: `${code.slice(0, -2)}ff` as Hex });
      expect(surprises(await check())).toEqual(["CreditVault has other code than was compiled here"]);
    }));

  it("names addresses that do not follow from the settings", async () => {
    const forged = join(dir, "forged.json");
    const addresses = readJson(addressesFile) as Record<string, unknown>;
    writeFileSync(forged, JSON.stringify({ ...addresses, sessionChannels: deployment.creditVault }));
    const found = surprises(await check({ ADDRESSES_FILE: forged }));
    expect(found).toContain(
      `address of SessionChannels is ${getAddress(deployment.creditVault)}, expected ${getAddress(deployment.sessionChannels)}`,
    );
    expect(found).toContain("SessionChannels has other code than was compiled here");
  });

  it("names other settings than those deployed", async () => {
    const found = surprises(await check({ GUARDIAN: stranger, GOVERNOR_DELAY_SECONDS: "3600" }));
    expect(found).toContain(`GUARDIAN_ROLE is not held by ${getAddress(stranger)}`);
    expect(found).toContain(`GUARDIAN_ROLE is also held by ${getAddress(guardian)}`);
    expect(found).toContain("ParamGovernor.getMinDelay is 172800, expected 3600");
  });
});
