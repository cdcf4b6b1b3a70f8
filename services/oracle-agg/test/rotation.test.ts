import { setTimeout as sleep } from "node:timers/promises";
import { deployContracts, startTestChain, type TestChain } from "@tac/kit/testing";
import { BatchHeader, Deployment, Line, ThresholdBls } from "@tac/protocol";
import { createTestClient, type Hex, http } from "viem";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { ChainPort } from "../src/chain/ChainPort.ts";
import { createViemChain } from "../src/chain/viemChain.ts";
import { readRotation, sendRotation } from "../src/commands/rotation.ts";
import { type GroupKey, runCeremony } from "../src/dkg/runCeremony.ts";
import type { AggregatorSet } from "../src/keys/AggregatorSet.ts";
import type { NodeKey } from "../src/keys/NodeKey.ts";
import { type CeremonyNodes, createCeremonyNodes, setOf } from "./support/ceremonyNodes.ts";
import { hex32 } from "./support/World.ts";

let node: TestChain;
let world: CeremonyNodes;
let nodes: NodeKey[];
let set: AggregatorSet;
let deployment: Deployment.Deployment;
let chain: ChainPort;
let first: GroupKey;
let second: GroupKey;

beforeAll(async () => {
  node = await startTestChain();
  world = createCeremonyNodes();
  nodes = [1, 2, 3, 4].map(() => world.add());
  set = world.approve(setOf(nodes, 3));
  first = await runCeremony({ set, keyEpoch: 1, from: null }, world.peerOf);
  // Long enough that no slow machine lets it pass by itself.
  const governor = { GOVERNOR_DELAY_SECONDS: "3600" };
  deployment = await deployContracts(node.rpcUrl, node.privateKeys[0], first, governor);
  chain = createViemChain({
    deployment,
    rpcUrls: [node.rpcUrl],
    submitterPrivateKey: node.privateKeys[1],
    confirmations: 0n,
  });
});

afterAll(async () => {
  world?.remove();
  await node?.stop();
});

const target = () => ({ deployment, rpcUrl: node.rpcUrl });
const lane = async () => chain.laneOf(0, await chain.head());

/** The lane's next batch, signed by `threshold` of the holders with their shares of an epoch. */
const signedBatch = async (holders: readonly NodeKey[], keyEpoch: number, group: GroupKey) => {
  const { nextBatchNumber, lastWindowEnd, lastBatchHash } = await lane();
  const header: BatchHeader.BatchHeader = {
    laneId: 0,
    keyEpoch,
    batchNumber: nextBatchNumber,
    windowStart: lastWindowEnd,
    windowEnd: lastWindowEnd + 1n,
    receiptsRoot: hex32(),
    receiptCount: 1,
    linesHash: Line.hash([]),
    totalNano: 0n,
    previousBatchHash: lastBatchHash,
    sourcesHash: hex32(),
  };
  const batchHash = BatchHeader.hash(header, Deployment.domains(deployment).usageReceipts);
  const signature: Hex = ThresholdBls.combine(
    holders.slice(0, group.threshold).map((holder) => {
      const { replica, share } = world.shareOf(holder, keyEpoch);
      return { index: replica, signature: ThresholdBls.partialSign(batchHash, share) };
    }),
  );
  return { header, lines: [], signature, publicKey: group.groupPublicKey };
};

const mine = () => createTestClient({ mode: "anvil", transport: http(node.rpcUrl) }).mine({ blocks: 1 });
const batchNumberReached = async (batchNumber: bigint) => {
  for (let look = 0; look < 50 && (await lane()).nextBatchNumber <= batchNumber; look += 1) {
    await mine();
    await sleep(50);
  }
  expect((await lane()).nextBatchNumber).toBe(batchNumber + 1n);
};
/** Schedules and, after the timelock's delay, executes a rotation as the two commands do. */
const rotate = async (key: GroupKey) => {
  const [governorKey] = node.privateKeys;
  expect((await readRotation(target(), key)).state).toBe("unset");
  await sendRotation(target(), key, "schedule", governorKey);
  const { delaySeconds, state } = await readRotation(target(), key);
  expect(state).toBe("waiting");
  await expect(sendRotation(target(), key, "execute", governorKey)).rejects.toThrow();
  await createTestClient({ mode: "anvil", transport: http(node.rpcUrl) }).increaseTime({
    seconds: Number(delaySeconds),
  });
  await mine();
  await sendRotation(target(), key, "execute", governorKey);
  expect((await readRotation(target(), key)).state).toBe("done");
};

test("a new key comes through the timelock; a batch signed under the old one is refused on chain and signed again", async () => {
  await chain.submit(await signedBatch(nodes, 1, first));
  await batchNumberReached(1n);
  const late = await signedBatch(nodes, 1, first);
  second = await runCeremony({ set, keyEpoch: 2, from: null }, world.peerOf);
  await rotate(second);
  expect((await lane()).keyEpoch).toBe(2);
  await expect(chain.submit(late)).rejects.toMatchObject({ reason: "UsageReceipts_WrongKeyEpoch" });
  await expect(chain.submit({ ...late, header: { ...late.header, keyEpoch: 2 } })).rejects.toMatchObject({
    reason: "UsageReceipts_UnknownKey",
  });
  await chain.submit(await signedBatch(nodes, 2, second));
  await batchNumberReached(2n);
});

test("a reshared key opens a new epoch with the same group key; batches of the epoch before are refused on chain", async () => {
  const holders = [...nodes, world.add()];
  const five = world.approve(setOf(holders, 4));
  const before = await lane();
  const late = await signedBatch(nodes, 2, second);
  const third = await runCeremony({ set: five, keyEpoch: 3, from: { set, keyEpoch: 2 } }, world.peerOf);
  await rotate(third);
  const after = await lane();
  expect([after.keyEpoch, after.keyHash]).toEqual([3, before.keyHash]);
  await expect(chain.submit(late)).rejects.toMatchObject({ reason: "UsageReceipts_WrongKeyEpoch" });
  await chain.submit(await signedBatch(holders, 3, third));
  await batchNumberReached(3n);
});

test("a key for another epoch than the next is not sent to the governor", async () => {
  await expect(readRotation(target(), { ...first, keyEpoch: 7 })).rejects.toThrow("is in key epoch 3");
});
