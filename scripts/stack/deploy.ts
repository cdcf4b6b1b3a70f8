import { execFile } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { foundryBinary } from "@tac/contracts/foundryBinary";
import { Deployment } from "@tac/protocol";
import type { LocalChain } from "./chain.ts";
import type { Keys } from "./keys.ts";
import { type Layout, repositoryDir, sharedDeploymentFile } from "./layout.ts";

const run = promisify(execFile);

export const readDeployment = (file: string): Deployment.Deployment =>
  Deployment.schema.parse(JSON.parse(readFileSync(file, "utf8")));

const isDeployed = async (layout: Layout, { client }: LocalChain): Promise<boolean> => {
  if (!existsSync(layout.deploymentFile)) return false;
  const { usageReceipts } = readDeployment(layout.deploymentFile);
  return (await client.getCode({ address: usageReceipts })) !== undefined;
};

export type GroupKey = { groupPublicKey: string; possessionProof: string };

/** Deploys the contracts with the same script that deploys to Base, unless this chain already has them. */
export const deploy = async (
  layout: Layout,
  chain: LocalChain,
  keys: Keys,
  key: GroupKey,
): Promise<Deployment.Deployment> => {
  if (!(await isDeployed(layout, chain))) {
    const { PATH = "", HOME = "" } = process.env;
    await run(
      foundryBinary("forge"),
      ["script", "contracts/script/Deploy.s.sol", "--rpc-url", chain.rpcUrl, "--broadcast", "--skip", "test"],
      {
        cwd: repositoryDir,
        maxBuffer: 64 * 1024 * 1024,
        env: {
          PATH,
          HOME,
          PRIVATE_KEY: keys.deployer.privateKey,
          GOVERNOR_PROPOSER: keys.deployer.account.address,
          GUARDIAN: keys.guardian.account.address,
          FEE_RECIPIENT: keys.treasurer.account.address,
          AGGREGATOR_PUBLIC_KEY: key.groupPublicKey,
          AGGREGATOR_POSSESSION_PROOF: key.possessionProof,
          ADDRESSES_FILE: layout.deploymentFile,
          FOUNDRY_BROADCAST: join(layout.dir, "broadcast"),
        },
      },
    ).catch((error: Error & { stderr?: string; stdout?: string }) => {
      throw new Error(`The contracts could not be deployed:\n${error.stderr ?? ""}${error.stdout ?? ""}`, {
        cause: error,
      });
    });
  }
  mkdirSync(dirname(sharedDeploymentFile), { recursive: true });
  copyFileSync(layout.deploymentFile, sharedDeploymentFile);
  return readDeployment(layout.deploymentFile);
};
