import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { foundryBinary } from "@tac/contracts/foundryBinary";
import { Deployment, ThresholdBls, Wire } from "@tac/protocol";
import type { Address, Hex } from "viem";
import { privateKeyToAccount } from "viem/accounts";

const root = join(import.meta.dirname, "..", "..", "..", "..");

type GroupKey = { groupPublicKey: Hex; possessionProof: Hex };

/** A key that one signer holds: enough where nothing is settled. */
const loneKey = (): GroupKey => {
  const secret = Wire.toHex(Uint8Array.of(1, ...randomBytes(31)));
  const groupPublicKey = ThresholdBls.publicKey(secret);
  const message = ThresholdBls.possessionMessage(groupPublicKey);
  return {
    groupPublicKey,
    possessionProof: ThresholdBls.partialSign(message, secret, ThresholdBls.POSSESSION_DST),
  };
};

/**
 * Deploys all contracts with the script that deploys to Base, whose variables `settings` are; the deployer proposes to
 * the governor too.
 */
export const deployContracts = async (
  rpcUrl: string,
  deployerKey: Hex,
  { groupPublicKey, possessionProof }: GroupKey = loneKey(),
  settings: { GOVERNOR_DELAY_SECONDS?: string } = {},
): Promise<Deployment.Deployment> => {
  // forge may write below this folder only.
  const local = join(root, ".local");
  mkdirSync(local, { recursive: true });
  const folder = mkdtempSync(join(local, "test-deploy-"));
  const addressesFile = join(folder, "addresses.json");
  const deployer: Address = privateKeyToAccount(deployerKey).address;
  const { PATH = "", HOME = "" } = process.env;
  try {
    await promisify(execFile)(
      foundryBinary("forge"),
      ["script", "contracts/script/Deploy.s.sol", "--rpc-url", rpcUrl, "--broadcast", "--skip", "test"],
      {
        cwd: root,
        maxBuffer: 64 * 1024 * 1024,
        env: {
          PATH,
          HOME,
          PRIVATE_KEY: deployerKey,
          GOVERNOR_PROPOSER: deployer,
          GUARDIAN: deployer,
          FEE_RECIPIENT: deployer,
          AGGREGATOR_PUBLIC_KEY: groupPublicKey,
          AGGREGATOR_POSSESSION_PROOF: possessionProof,
          ADDRESSES_FILE: addressesFile,
          FOUNDRY_BROADCAST: join(folder, "broadcast"),
          ...settings,
        },
      },
    );
    return Wire.parse(Deployment.schema, JSON.parse(readFileSync(addressesFile, "utf8")));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};
