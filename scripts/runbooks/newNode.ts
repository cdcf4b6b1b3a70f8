import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { certificateNames } from "@tac/kit";
import { loadAggregatorSet, loadNodeKey } from "@tac/oracle-agg";
import { createKeeper, type KeeperSettings } from "../stack/CertificateKeeper.ts";
import { ensureDatabases } from "../stack/postgres.ts";
import type { Stack } from "../stack/Stack.ts";
import type { ReplicaId } from "./replicas.ts";

/** Issues a certificate to a node under its new key, in the folder of the one before. */
const certify = async (
  { certificates, restart }: Stack,
  id: ReplicaId,
  nodePublicKey: string,
): Promise<void> => {
  const settings: KeeperSettings = JSON.parse(readFileSync(certificates.settingsFile, "utf8"));
  const names = [certificateNames.aggregator(nodePublicKey)];
  const leaves = settings.leaves.map((leaf) =>
    leaf.commonName === `aggregator-${id}` ? { ...leaf, names } : leaf,
  );
  writeFileSync(certificates.settingsFile, JSON.stringify({ ...settings, leaves }, null, 2), { mode: 0o600 });
  await restart("certificates");
  await createKeeper({ ...settings, leaves }).keep();
};

/**
 * Starts a new node in a stopped replica's place as its operator would: with its own certificate and an empty disk. It is
 * healthy only when it gets a share, so what comes back is not waited for; it is the error if it never was, or null.
 */
export const startNewNode = async (
  stack: Stack,
  id: ReplicaId,
  files: { nodeKeyFile: string; nextSetFile: string },
): Promise<{ healthy: Promise<Error | null> }> => {
  const { nodePublicKey } = loadNodeKey(files.nodeKeyFile);
  const named = loadAggregatorSet(files.nextSetFile).replicas.find((one) => one.id === id);
  if (named?.nodePublicKey !== nodePublicKey)
    throw new Error(`The next set has another key for replica ${id}.`);
  await certify(stack, id, nodePublicKey);
  const database = `aggregator_${id}_new`;
  await ensureDatabases(stack.layout, stack.part("postgres"), [database]);
  return startWithoutShare(stack, id, {
    DATABASE_URL: stack.databaseUrl(database),
    NODE_KEY_FILE: files.nodeKeyFile,
    KEY_FILE: join(stack.layout.keysDir, `aggregator-${id}.new.share`),
  });
};

/** Starts a replica that cannot be healthy yet. */
export const startWithoutShare = (
  { restart }: Stack,
  id: ReplicaId,
  env: Record<string, string> = {},
): { healthy: Promise<Error | null> } => ({
  healthy: restart(`aggregator-${id}`, env).then(
    () => null,
    (error: Error) => error,
  ),
});
