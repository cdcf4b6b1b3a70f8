import { writeFileSync } from "node:fs";
import type { Command } from "commander";
import {
  type AggregatorSet,
  aggregatorSetSchema,
  loadAggregatorSet,
  replicaOf,
} from "../keys/AggregatorSet.ts";
import { generateNodeKey, type NodeKey, nodeKeyToJson } from "../keys/NodeKey.ts";

/**
 * The set with a new node in one replica's place: the same id, because gateways and peers know it by that, and other keys.
 * Errors: an Error when the set has no such replica, a ZodError that names an unfit URL.
 *
 * @param url where the new node listens; where the old one did, if not given.
 */
export const withNewNode = (
  set: AggregatorSet,
  replica: number,
  { nodePublicKey, encryptionPublicKey }: Pick<NodeKey, "nodePublicKey" | "encryptionPublicKey">,
  url: string = replicaOf(set, replica).url,
): AggregatorSet => {
  const { id } = replicaOf(set, replica);
  const entry = { id, url, nodePublicKey, encryptionPublicKey };
  return aggregatorSetSchema.parse({
    ...set,
    replicas: set.replicas.map((one) => (one.id === id ? entry : one)),
  });
};

type ReplaceOptions = {
  aggregatorsFile: string;
  replica: string;
  nodeKeyFile: string;
  out: string;
  url?: string;
};

/** Adds `replace-node`, which makes a new node's key and the set to reshare to. */
export const addReplaceNodeCommand = (program: Command): void => {
  program
    .command("replace-node")
    .description("Make the key of a new node, and the next set, in which it takes a replica's place.")
    .requiredOption("--aggregators-file <file>", "the present set")
    .requiredOption("--replica <id>", "whose place it takes")
    .requiredOption("--node-key-file <file>", "where to write the new node's key; never over another file")
    .requiredOption("--out <file>", "where to write the next set")
    .option("--url <url>", "where the new node listens, if not where the old one does")
    .action(({ aggregatorsFile, replica, nodeKeyFile, out, url }: ReplaceOptions) => {
      const nodeKey = generateNodeKey();
      const next = withNewNode(loadAggregatorSet(aggregatorsFile), Number(replica), nodeKey, url);
      writeFileSync(nodeKeyFile, nodeKeyToJson(nodeKey), { mode: 0o600, flag: "wx" });
      writeFileSync(out, `${JSON.stringify(next, null, 2)}\n`);
      process.stdout.write(`Replica ${replica} is ${nodeKey.nodePublicKey} in ${out}.\n`);
    });
};
