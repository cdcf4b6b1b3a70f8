import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { foundryBinary } from "@tac/contracts/foundryBinary";
import { createTestClient, type Hex, http, publicActions, walletActions } from "viem";
import { anvil } from "viem/chains";
import { type Layout, repositoryDir } from "./layout.ts";
import type { Command, Part } from "./processes.ts";
import { urlOf } from "./urlOf.ts";

export const blockSeconds = 2;

/** A client that can also do what only a local chain allows: give gas money, set the block time. */
export const createChainClient = (rpcUrl: string) =>
  createTestClient({
    chain: anvil,
    mode: "anvil",
    transport: http(rpcUrl, { timeout: 10_000 }),
    pollingInterval: 200,
  })
    .extend(publicActions)
    .extend(walletActions);

export type ChainClient = ReturnType<typeof createChainClient>;
export type LocalChain = { rpcUrl: string; client: ChainClient };

/** anvil with its state kept in the stack's folder. It mines at once until `startBlocks` sets the block time. */
export const chainCommand = (layout: Layout): Command => ({
  name: "chain",
  command: foundryBinary("anvil"),
  args: [
    "--host=127.0.0.1",
    `--port=${layout.ports.chain}`,
    `--state=${layout.chainStateFile}`,
    "--state-interval=10",
    "--hardfork=prague",
    "--quiet",
  ],
  env: {},
  cwd: repositoryDir,
  logFile: join(layout.logsDir, "chain.log"),
});

/** Waits until the chain answers. */
export const awaitChain = async (layout: Layout, part: Part): Promise<LocalChain> => {
  const rpcUrl = urlOf(layout, "chain");
  const client = createChainClient(rpcUrl);
  const answers = (): Promise<boolean> =>
    client.getChainId().then(
      () => true,
      () => false,
    );
  const deadline = Date.now() + 30_000;
  while (!(await answers())) {
    if (part.hasExited()) throw new Error(`anvil ended (${await part.exited}); see ${part.logFile}`);
    if (Date.now() > deadline)
      throw new Error(`anvil did not answer at ${rpcUrl} within 30 s; see ${part.logFile}`);
    await sleep(50);
  }
  return { rpcUrl, client };
};

/** From here on a block is mined every two seconds, as on Base. */
export const startBlocks = async ({ client }: LocalChain): Promise<void> => {
  await client.setAutomine(false);
  await client.setIntervalMining({ interval: blockSeconds });
};

/** Gas money for an account; it exists on the local chain only. */
export const fundGas = async (client: ChainClient, addresses: Hex[]): Promise<void> => {
  for (const address of addresses) await client.setBalance({ address, value: 1_000n * 10n ** 18n });
};
