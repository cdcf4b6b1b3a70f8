import { createLogger, createMetrics, createPool, migrate, type Pool } from "@tac/kit";
import { startTestDatabase, type TestDatabase } from "@tac/kit/testing";
import type { Hex } from "viem";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { ChainFollower } from "../src/replica/ChainFollower.ts";
import { createReplicaMetrics } from "../src/replica/ReplicaMetrics.ts";
import { BatchStore } from "../src/store/BatchStore.ts";
import { TestChain } from "./support/TestChain.ts";
import { deployment } from "./support/World.ts";

let database: TestDatabase;
let pool: Pool;
let names = 0;

beforeAll(async () => {
  database = await startTestDatabase();
});

afterAll(async () => {
  await pool?.end();
  await database?.stop();
});

beforeEach(async () => {
  await pool?.end();
  names += 1;
  pool = createPool({ url: await database.createDatabase(`follower_${names}`), onIdleError: () => {} });
  await migrate(pool, new URL("../migrations", import.meta.url).pathname);
});

/** A chain of blocks without events, by their hashes, and a follower that has followed each of them. */
const followed = async (count: number) => {
  const hashOf = (fork: string, number: bigint): Hex => `0x${fork}${number.toString(16).padStart(62, "0")}`;
  const first = deployment.startBlock;
  const blocks: Hex[] = [];
  const batches = new BatchStore(pool);
  const metrics = createReplicaMetrics(createMetrics({ service: "oracle-agg", processMetrics: false }));
  const follower = new ChainFollower({
    batches,
    metrics,
    deployment,
    set: { laneId: 0, threshold: 3, replicas: [] },
    logger: createLogger({ service: "oracle-agg", level: "silent" }),
    chain: {
      ...new TestChain("0x").port(),
      head: async () => first + BigInt(blocks.length) - 1n,
      hashOf: async (number) => blocks[Number(number - first)] ?? null,
      events: async () => [],
    },
  });
  const mine = (fork: string) => blocks.push(hashOf(fork, first + BigInt(blocks.length)));
  for (let index = 0; index < count; index += 1) {
    mine("aa");
    await follower.follow();
  }
  return {
    follower,
    blocks,
    mine,
    newest: async () => (await batches.followedBlocks(1))[0]?.hash,
    reorganisations: async () => (await metrics.reorganisations.get()).values[0]?.value ?? 0,
  };
};

test("a chain that became shorter is followed again from its first other block on", async () => {
  const { follower, blocks, mine, newest, reorganisations } = await followed(6);
  blocks.splice(3);
  mine("bb");
  const last = await follower.follow();
  expect(last).toBe(deployment.startBlock + 3n);
  expect(await newest()).toBe(blocks.at(-1));
  expect(await reorganisations()).toBe(1);
});

test("a chain that was reorganised at the same height is followed again", async () => {
  const { follower, blocks, mine, newest, reorganisations } = await followed(6);
  blocks.splice(2);
  for (let index = 0; index < 4; index += 1) mine("bb");
  await follower.follow();
  expect(await newest()).toBe(blocks.at(-1));
  expect(await reorganisations()).toBe(1);
});

test("an endpoint that is behind on the same chain says nothing against what was followed", async () => {
  const { follower, blocks, newest, reorganisations } = await followed(6);
  const head = blocks.at(-1);
  blocks.splice(4);
  expect(await follower.follow()).toBe(deployment.startBlock + 5n);
  expect(await newest()).toBe(head);
  expect(await reorganisations()).toBe(0);
});
