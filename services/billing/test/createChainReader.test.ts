import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Deployment } from "@tac/protocol";
import { zeroHash } from "viem";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createChainReader } from "../src/chain/createChainReader.ts";
import { verifyInvoice } from "../src/verify/verifyInvoice.ts";
import { invoiceJson, list, set } from "./invoiceJson.ts";
import { createMemoryChain } from "./memoryChain.ts";
import { type RpcNode, startRpcNode } from "./rpcNode.ts";
import { createWorld, deployment, gateway, issuer, name32 } from "./world.ts";

const world = createWorld();
const expected = createMemoryChain(world.state);
let node: RpcNode;
beforeAll(async () => {
  node = await startRpcNode(world);
});
afterAll(() => node.stop());

const readerOf = (blocksPerQuery?: bigint) =>
  createChainReader({
    rpcUrls: [node.url],
    deployment,
    ...(blocksPerQuery === undefined ? {} : { blocksPerQuery }),
  });

describe("createChainReader", () => {
  test("reads what the contracts hold", async () => {
    const reader = readerOf();
    expect(await reader.chainId()).toBe(31_337);
    expect(await reader.lockOf(world.jobId)).toEqual(await expected.lockOf(world.jobId));
    expect(await reader.lockOf(name32("no job"))).toMatchObject({ state: "none" });
    expect(await reader.rootOf(0, 1n)).toBe(await expected.rootOf(0, 1n));
    expect(await reader.rootOf(0, 9n)).toBe(zeroHash);
    expect(await reader.tariffHashOf(1, 3)).toBe(await expected.tariffHashOf(1, 3));
    expect(await reader.gatewayTerm(gateway)).toEqual(await expected.gatewayTerm(gateway));
    expect(await reader.keyHashOf(0, 1)).toBe(await expected.keyHashOf(0, 1));
    expect(await reader.keyHashOf(0, 7)).toBeNull();
  });

  test.each([10_000n, 7n, 1n])("finds a job's events, %i blocks at a time", async (blocksPerQuery) => {
    const events = await readerOf(blocksPerQuery).jobEvents(world.jobId);
    expect(events).toEqual(await expected.jobEvents(world.jobId));
    expect(events.settled).toHaveLength(3);
  });

  test("reads a transaction with its lines and signature from the calldata", async () => {
    const [batch] = world.batches;
    if (batch === undefined) throw new Error("The world has no batch.");
    const transaction = await readerOf().transaction(batch.committed.transactionHash);
    expect(transaction).toMatchObject({ blockNumber: 20n, timestamp: world.state.timestampOf(20n) });
    expect(transaction?.batches).toMatchObject([
      { committed: batch.committed, signature: batch.signature, settled: batch.ended },
    ]);
    expect(transaction?.batches[0]?.lines).toEqual(
      batch.settled.map((event, index) => ({ event, line: batch.built.lines[index] })),
    );
    expect(await readerOf().transaction(name32("no transaction"))).toBeNull();
  });

  test("an honest invoice verifies over JSON-RPC, a changed one does not", async () => {
    const json = invoiceJson(world);
    expect((await verifyInvoice(json, { reader: readerOf(), deployment })).problems).toEqual([]);
    set(json, ["settlements", 0, "paidNano"], "1");
    const { problems } = await verifyInvoice(json, { reader: readerOf(), deployment });
    expect(problems.map(({ path }) => path)).toContain("settlements[0].paidNano");
  });

  test("an invoice full of strangers' transactions costs the node nothing more", async () => {
    const json = invoiceJson(world);
    const count = async (): Promise<number> => {
      const before = node.methods.length;
      await verifyInvoice(json, { reader: readerOf(), deployment });
      return node.methods.length - before;
    };
    const honest = await count();
    const [line] = list(json, ["lines"]);
    for (let index = 4; index < 200; index++) {
      const copy = structuredClone(line ?? null);
      set(copy, ["settlement", "transactionHash"], name32(`stranger ${index}`));
      set(copy, ["batch", "batchNumber"], String(index));
      list(json, ["lines"]).push(copy);
    }
    expect(await count()).toBe(honest);
  });

  test("a node that is down is `chain_unavailable`, never an answer", async () => {
    const reader = createChainReader({ rpcUrls: ["http://127.0.0.1:9"], deployment });
    await expect(reader.lockOf(world.jobId)).rejects.toMatchObject({ code: "chain_unavailable" });
    await expect(reader.transaction(name32("any"))).rejects.toMatchObject({ code: "chain_unavailable" });
  });
});

describe("the command line", () => {
  const directory = mkdtempSync(join(tmpdir(), "tac-billing-"));
  const deploymentFile = join(directory, "addresses.json");
  writeFileSync(deploymentFile, JSON.stringify(Deployment.toJson(deployment)));
  afterAll(() => rmSync(directory, { recursive: true }));

  const verify = (content: unknown, ...more: string[]): Promise<{ exitCode: number; output: string }> => {
    const file = join(directory, "invoice.json");
    writeFileSync(file, typeof content === "string" ? content : JSON.stringify(content));
    const args = ["--import", "tsx", "src/cli.ts", "verify", file, "--deployment", deploymentFile, ...more];
    const cwd = fileURLToPath(new URL("..", import.meta.url));
    return new Promise((resolve) => {
      execFile(process.execPath, args, { cwd }, (error, stdout, stderr) =>
        resolve({ exitCode: error === null ? 0 : Number(error.code), output: stdout + stderr }),
      );
    });
  };

  test("says valid, and ends with 0", async () => {
    const { exitCode, output } = await verify(invoiceJson(world), "--rpc-url", node.url, "--issuer", issuer);
    expect(output).toContain("VALID: all 4 lines agree with the chain.");
    expect(output).toContain("(as expected)");
    expect(exitCode).toBe(0);
  });

  test("names line, code and path of each problem, and ends with 1", async () => {
    const json = invoiceJson(world);
    set(json, ["lines", 2, "amountNano"], "1");
    const { exitCode, output } = await verify(json, "--rpc-url", node.url);
    expect(output).toMatch(/^2 +amount_mismatch +lines\[2\]\.amountNano +the receipt costs \d+$/m);
    expect(output).toMatch(/^- +invalid_invoice_signature +signature /m);
    expect(exitCode).toBe(1);
  });

  test("a file that is no invoice is not valid", async () => {
    const { exitCode, output } = await verify("\u001b[2Jnot json", "--rpc-url", node.url);
    expect(output).toContain("malformed_invoice");
    expect(output).not.toContain("\u001b");
    expect(exitCode).toBe(1);
  });

  test("without a chain nothing is said about the invoice, and it ends with 2", async () => {
    const { exitCode, output } = await verify(invoiceJson(world), "--rpc-url", "http://127.0.0.1:9");
    expect(output).toContain("was not checked");
    expect(exitCode).toBe(2);
  });

  test("a missing flag ends with 2", async () => {
    expect((await verify(invoiceJson(world))).exitCode).toBe(2);
  });
});
