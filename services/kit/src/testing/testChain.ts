import { spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { foundryBinary } from "@tac/contracts/foundryBinary";
import type { Hex } from "viem";
import { freePort } from "./freePort.ts";

export type TestChain = {
  rpcUrl: string;
  chainId: number;
  /** Private keys of the funded accounts; known to everyone, for tests only. */
  privateKeys: readonly [Hex, Hex, Hex];
  stop: () => Promise<void>;
};

const testKeys = [
  "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80",
  "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d",
  "0x5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a",
] as const;

/**
 * Starts anvil on a free port. It mines each transaction at once unless `blockTimeSeconds` is given.
 * `stop` ends the process; it also ends with the test process.
 */
export const startTestChain = async ({
  chainId = 31_337,
  blockTimeSeconds,
}: {
  chainId?: number;
  blockTimeSeconds?: number;
} = {}): Promise<TestChain> => {
  const port = await freePort();
  const child = spawn(
    foundryBinary("anvil"),
    [
      "--host=127.0.0.1",
      `--port=${port}`,
      `--chain-id=${chainId}`,
      "--hardfork=prague",
      "--silent",
      ...(blockTimeSeconds === undefined ? [] : [`--block-time=${blockTimeSeconds}`]),
    ],
    { stdio: ["ignore", "ignore", "pipe"] },
  );
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  let spawnError: Error | undefined;
  child.on("error", (error) => {
    spawnError = error;
  });
  const kill = (): void => void child.kill("SIGKILL");
  process.once("exit", kill);
  const hasEnded = (): boolean => child.exitCode !== null || child.signalCode !== null;
  const stop = async (): Promise<void> => {
    process.off("exit", kill);
    if (hasEnded()) return;
    const exited = once(child, "exit");
    child.kill("SIGTERM");
    await Promise.race([exited, sleep(5_000).then(kill)]);
    await exited;
  };
  const rpcUrl = `http://127.0.0.1:${port}`;
  const deadline = Date.now() + 30_000;
  while (!(await answers(rpcUrl))) {
    if (spawnError !== undefined || hasEnded() || Date.now() > deadline) {
      await stop();
      throw new Error(`The test chain did not start: ${stderr}`, { cause: spawnError });
    }
    await sleep(30);
  }
  return { rpcUrl, chainId, privateKeys: testKeys, stop };
};

const answers = async (rpcUrl: string): Promise<boolean> => {
  try {
    const response = await fetch(rpcUrl, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: '{"jsonrpc":"2.0","id":1,"method":"eth_chainId","params":[]}',
      signal: AbortSignal.timeout(2_000),
    });
    return response.ok;
  } catch {
    return false;
  }
};
