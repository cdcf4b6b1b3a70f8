import { readFileSync, writeFileSync } from "node:fs";
import { configFields, loadConfig } from "@tac/kit";
import { Deployment, Wire } from "@tac/protocol";
import type { Command } from "commander";
import { z } from "zod";
import { openCommandTls } from "../commandTls.ts";
import { DkgError } from "../dkg/DkgError.ts";
import { httpDkgPeer } from "../dkg/httpPeer.ts";
import { type CeremonyGoal, type GroupKey, type PeerOf, runCeremony } from "../dkg/runCeremony.ts";
import { readTranscript } from "../dkg/Transcript.ts";
import { type AggregatorSet, loadAggregatorSet, publicKeyOf } from "../keys/AggregatorSet.ts";
import { readRotation, sendRotation } from "./rotation.ts";

const hex = z.custom<`0x${string}`>((value) => typeof value === "string" && /^0x[0-9a-f]+$/.test(value));
const keyFileSchema = z.object({
  laneId: z.number().int(),
  keyEpoch: z.number().int().min(1),
  threshold: z.number().int(),
  groupPublicKey: hex,
  possessionProof: hex,
  publicShares: z.array(z.object({ replica: z.number().int(), publicShare: hex })),
  transcriptHash: hex,
});

const peersOverHttp = (): PeerOf => {
  const dispatcherOf = openCommandTls();
  return (entry) => httpDkgPeer(entry.url, dispatcherOf(entry));
};

/** The lane's key epoch that at least `threshold` replicas of the set read on chain. */
const laneEpochOf = async ({ replicas, threshold }: AggregatorSet, peerOf: PeerOf): Promise<number> => {
  const answers = await Promise.allSettled(replicas.map((entry) => peerOf(entry).status()));
  const counts = new Map<number, number>();
  for (const answer of answers) {
    const epoch = answer.status === "fulfilled" ? answer.value.laneEpoch : null;
    if (epoch !== null) counts.set(epoch, (counts.get(epoch) ?? 0) + 1);
  }
  const agreed = [...counts].find(([, count]) => count >= threshold)?.[0];
  if (agreed === undefined)
    throw new DkgError(
      `Fewer than ${threshold} replicas agree on the lane's key epoch: ${JSON.stringify([...counts])}.`,
    );
  return agreed;
};

const hold = async (goal: CeremonyGoal, peerOf: PeerOf, out: string): Promise<void> => {
  const key = await runCeremony(goal, peerOf);
  writeFileSync(out, `${JSON.stringify(key, null, 2)}\n`);
  process.stdout.write(
    `The group key of lane ${key.laneId} for epoch ${key.keyEpoch} is in ${out} (transcript ${key.transcriptHash}).\n`,
  );
};

const readKeyFile = (file: string): GroupKey => keyFileSchema.parse(JSON.parse(readFileSync(file, "utf8")));

const readDeployment = (file: string): Deployment.Deployment =>
  Wire.parse(Deployment.schema, JSON.parse(readFileSync(file, "utf8")));

type RotationOptions = { keyFile: string; deploymentFile: string; rpcUrl: string; send?: boolean };

const addRotationStep = (
  program: Command,
  name: string,
  step: "schedule" | "execute",
  description: string,
): void => {
  program
    .command(name)
    .description(description)
    .requiredOption("--key-file <file>", "what dkg or reshare wrote")
    .requiredOption("--deployment-file <file>", "the contracts' addresses")
    .requiredOption("--rpc-url <url>", "an RPC endpoint of the chain")
    .option("--send", "send it with GOVERNOR_PRIVATE_KEY instead of only printing the calldata")
    .action(async ({ keyFile, deploymentFile, rpcUrl, send = false }: RotationOptions) => {
      const key = readKeyFile(keyFile);
      const target = { deployment: readDeployment(deploymentFile), rpcUrl };
      const rotation = await readRotation(target, key);
      if (!send) {
        const { governor, operationId, delaySeconds, state } = rotation;
        const shown = {
          to: governor,
          calldata: rotation[step],
          operationId,
          delaySeconds: Number(delaySeconds),
          state,
        };
        process.stdout.write(`${JSON.stringify(shown, null, 2)}\n`);
        return;
      }
      const { GOVERNOR_PRIVATE_KEY } = loadConfig(
        { GOVERNOR_PRIVATE_KEY: configFields.privateKey },
        process.env,
      );
      const transactionHash = await sendRotation(target, key, step, GOVERNOR_PRIVATE_KEY);
      process.stdout.write(
        step === "schedule"
          ? `Scheduled in ${transactionHash}; activate-key works in ${rotation.delaySeconds} s.\n`
          : `Lane ${key.laneId} is in key epoch ${key.keyEpoch} since ${transactionHash}.\n`,
      );
    });
};

/** Adds what an operator does with keys: ceremonies, rotation through the governor, and reading transcripts. */
export const addKeyCommands = (program: Command): void => {
  program
    .command("dkg")
    .description(
      "Generate a group key among running replicas without a dealer, or go on with one that broke off.",
    )
    .requiredOption("--aggregators-file <file>", "the set that gets the key, as every replica of it has it")
    .requiredOption("--out <file>", "where to write the group key that openLane and rotateKey take")
    .option(
      "--next",
      "a key for the epoch after the lane's present one, to rotate to; without it, for epoch 1",
    )
    .option("--from-file <file>", "with --next: the present set, when the key goes to another one")
    .action(async (options: { aggregatorsFile: string; out: string; next?: boolean; fromFile?: string }) => {
      const set = loadAggregatorSet(options.aggregatorsFile);
      const peerOf = peersOverHttp();
      const present = options.fromFile === undefined ? set : loadAggregatorSet(options.fromFile);
      const keyEpoch = options.next ? (await laneEpochOf(present, peerOf)) + 1 : 1;
      await hold({ set, keyEpoch, from: null }, peerOf, options.out);
    });

  program
    .command("reshare")
    .description(
      "Hand the group key on to a set, which may be the same one, or go on with a resharing that broke off.",
    )
    .requiredOption("--from-file <file>", "the set that holds the key now")
    .requiredOption("--to-file <file>", "the set that gets it; the same file renews everybody's share")
    .requiredOption("--out <file>", "where to write the group key with its new public shares")
    .action(async (options: { fromFile: string; toFile: string; out: string }) => {
      const from = loadAggregatorSet(options.fromFile);
      const peerOf = peersOverHttp();
      const keyEpoch = await laneEpochOf(from, peerOf);
      const set = loadAggregatorSet(options.toFile);
      await hold({ set, keyEpoch: keyEpoch + 1, from: { set: from, keyEpoch } }, peerOf, options.out);
    });

  addRotationStep(program, "schedule-key", "schedule", "Propose a key to the governor's timelock.");
  addRotationStep(program, "activate-key", "execute", "Make a key the lane's once the timelock is over.");

  program
    .command("transcript")
    .description("Check a node's ceremony transcript, and show who sent and said what.")
    .requiredOption("--file <file>", "KEY_FILE with .transcript added")
    .requiredOption("--node-public-key <key>", "the node's nodePublicKey")
    .action(({ file, nodePublicKey }: { file: string; nodePublicKey: string }) => {
      const entries = readTranscript(readFileSync(file, "utf8"), publicKeyOf("Ed25519", nodePublicKey));
      for (const { seq, at, ceremonyId, event, content } of entries)
        process.stdout.write(`${seq} ${at} ${ceremonyId.slice(0, 12)} ${event} ${summaryOf(content)}\n`);
    });
};

const summarySchema = z.looseObject({
  from: z.number(),
  to: z.number().optional(),
  reason: z.string().optional(),
});

/** Enough to see who said what to whom; the whole content stays in the file. */
const summaryOf = (content: unknown): string => {
  const whole = summarySchema.safeParse(content);
  if (whole.success)
    return `from ${whole.data.from}${whole.data.reason === undefined ? "" : `: ${whole.data.reason}`}`;
  const [entry] = typeof content === "object" && content !== null ? Object.entries(content) : [];
  const inner = summarySchema.safeParse(entry?.[1]);
  if (entry === undefined || !inner.success) return "";
  const { from, to } = inner.data;
  return `${entry[0]} from ${from}${to === undefined ? "" : ` to ${to}`}`;
};
