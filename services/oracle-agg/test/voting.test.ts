import { BatchHeader, Line } from "@tac/protocol";
import type { Hex } from "viem";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { createPeerPort } from "../src/peers/PeerPort.ts";
import { type Draft, voteText } from "../src/protocol/Certificate.ts";
import type { Message } from "../src/protocol/Message.ts";
import { positionKey } from "../src/protocol/Position.ts";
import { Builder } from "../src/replica/Builder.ts";
import { Checker } from "../src/replica/Checker.ts";
import { Committer } from "../src/replica/Committer.ts";
import { Submitter } from "../src/replica/Submitter.ts";
import { createCrypto } from "../src/replica/signatures.ts";
import { type Network, startNetwork, until } from "./support/network.ts";
import { call, domains, openJob } from "./support/World.ts";

/** Replica 2 leads view 0 of batch 1. */
const LEADER = 2;
let network: Network;
let draft: Draft;

/** The first batch falls due in an hour, so that nobody proposes but the test. */
beforeAll(async () => {
  network = await startNetwork({ windowMs: 3_600_000 });
  const job = openJob(network.gateway.account);
  network.chain.lock(job);
  network.gateway.record({ kind: "job-opened", body: job.opened }, { kind: "usage", body: call(job) });
  await until("all pulled", async () => {
    const counts = await Promise.all(
      [1, 2, 3, 4].map((id) => network.replica(id).context.feeds.pendingCount()),
    );
    return counts.every((count) => count === 1);
  });
  draft = await build();
});

afterAll(async () => {
  await network?.stop();
});

/** Waits for a block after the events, because a window ends with the pinned block. */
const build = async (earlierByMs = 0n): Promise<Draft> => {
  const { context, follower } = network.replica(LEADER);
  const built: Draft[] = [];
  await until("something to propose", async () => {
    const followed = await follower.follow();
    const lane = await context.chain.laneOf(0, followed);
    const windowEndMs = (await context.chain.timeOf(followed)) - earlierByMs;
    const plan = await new Builder(context).plan(lane, followed, windowEndMs);
    if (plan !== null) built.push({ header: plan.batch.header, sources: plan.batch.sources });
    return plan !== null;
  });
  const [first] = built;
  if (first === undefined) throw new Error("nothing to propose");
  return first;
};

const cryptoOf = (id: number) => {
  const { key } = network.replica(id).context;
  return createCrypto({ set: network.set, nodeKey: network.nodeKey(id), key, domains });
};

const checkerOf = (id: number): Checker => {
  const { context, follower } = network.replica(id);
  const builder = new Builder(context);
  return new Checker(context, follower, new Committer(context, builder), builder);
};

const withHeader = (change: Partial<BatchHeader.BatchHeader>): Draft => ({
  ...draft,
  header: { ...draft.header, ...change },
});
const hex: Hex = `0x${"cd".repeat(32)}`;

test.each<[string, () => Draft, RegExp]>([
  ["another total", () => withHeader({ totalNano: draft.header.totalNano + 1n }), /another total/],
  ["another root", () => withHeader({ receiptsRoot: hex }), /another receipts root/],
  ["other lines", () => withHeader({ linesHash: hex }), /other lines/],
  ["a batch number that is not next", () => withHeader({ batchNumber: 5n }), /the lane's next batch is 1/],
  [
    "a window in the future",
    () => withHeader({ windowEnd: BigInt(Date.now() + 60_000) }),
    /ends after the pinned block/,
  ],
  [
    "a window with a gap",
    () => withHeader({ windowStart: draft.header.windowStart + 1n }),
    /does not adjoin/,
  ],
  ["another lane", () => withHeader({ laneId: 7 }), /another lane/],
  ["another key epoch", () => withHeader({ keyEpoch: 2 }), /key epoch 1/],
  ["another previous batch", () => withHeader({ previousBatchHash: hex }), /previous batch is another/],
  [
    "sources that are not the header's",
    () => ({ ...draft, sources: { ...draft.sources, chainBlock: 1n } }),
    /sources are not/,
  ],
])("a proposal with %s is found wrong, with its reason", async (_name, bad, reason) => {
  const { header, sources } = bad();
  const { problems } = await checkerOf(1).check({ header, sources }, cryptoOf(1).hashOf(header));
  expect(problems.join("; ")).toMatch(reason);
});

test("the batch as it was built is found right", async () => {
  const { problems } = await checkerOf(1).check(draft, cryptoOf(1).hashOf(draft.header));
  expect(problems).toEqual([]);
});

const portTo = (id: number, from: number) =>
  createPeerPort(id, network.url(id), 0, { peer: String(from), nodeKey: network.nodeKey(from).signing });

const position = () => {
  const { laneId, keyEpoch, batchNumber, windowStart, previousBatchHash } = draft.header;
  return {
    laneId,
    keyEpoch,
    nextBatchNumber: batchNumber,
    lastWindowEnd: windowStart,
    lastBatchHash: previousBatchHash,
  };
};

const propose = async (to: number, from: number, proposed: Draft, view: bigint): Promise<Hex> => {
  const crypto = cryptoOf(from);
  const batchHash = crypto.hashOf(proposed.header);
  const vote = {
    replica: from,
    kind: "prepare" as const,
    view,
    batchHash,
    signature: crypto.vote(voteText("prepare", view, batchHash)),
  };
  const key = positionKey(position());
  await portTo(to, from).send({ kind: "propose", position: key, draft: proposed, vote, justification: null });
  return batchHash;
};

const reasonsFor = async (id: number, batchHash: Hex, view: bigint): Promise<string> => {
  const found: string[] = [];
  await until("a decision", async () => {
    const decisions = await network.replica(id).context.votes.decisions(1n);
    const decision = decisions.find((one) => one.batchHash === batchHash && one.view === view);
    if (decision !== undefined) found.push(decision.reasons.join("; ") || decision.outcome);
    return decision !== undefined;
  });
  return found[0] ?? "";
};

test("a replica that does not lead the view is refused, and so is a view far ahead", async () => {
  expect(await reasonsFor(1, await propose(1, 3, draft, 0n), 0n)).toMatch(/replica 2 leads this view, not 3/);
  expect(await reasonsFor(1, await propose(1, LEADER, draft, 4_000n), 4_000n)).toMatch(/we are in view -1/);
});

test("a call that is not signed by a node of the set is refused", async () => {
  const stranger = createPeerPort(1, network.url(1), 0, { peer: "2", nodeKey: network.nodeKey(3).signing });
  const query = { kind: "query" as const, position: positionKey(position()), view: 0n };
  await expect(stranger.send(query)).rejects.toMatchObject({ status: 401 });
  const unsigned = await fetch(`${network.url(1)}/v1/peer/messages`, { method: "POST", body: "{}" });
  expect(unsigned.status).toBeGreaterThanOrEqual(400);
});

test("a replica prepares one batch in a view, also after a restart, and keeps the proof that its leader proposed two", async () => {
  const first = await propose(4, LEADER, draft, 0n);
  expect(await reasonsFor(4, first, 0n)).toBe("recomputed");
  const prepared = async () => (await network.replica(4).context.votes.record(position()))?.prepared;
  await until("the vote is stored", async () => (await prepared()) === first);
  const other = await build(1n);
  const second = await propose(4, LEADER, other, 0n);
  expect(second).not.toBe(first);
  expect(await reasonsFor(4, second, 0n)).toMatch(/we prepared another batch in this view/);
  await until("the leader is named", async () => {
    const misdeeds = await network.replica(4).context.votes.misdeeds(10);
    return misdeeds.some(
      ({ replica, guilt, evidence }) =>
        replica === LEADER && guilt === "equivocation" && evidence.length === 2,
    );
  });
  await network.kill(4);
  await network.start(4);
  const third = await build(2n);
  await until("it knows the lane again", () => network.replica(4).driver.state.record !== null);
  expect(await reasonsFor(4, await propose(4, LEADER, third, 0n), 0n)).toMatch(/prepared another batch/);
  expect(await prepared()).toBe(first);
});

test("a vote that could not be stored is not sent, and the replica goes on from what it has stored", async () => {
  const { context, driver } = network.replica(3);
  const sent: Message[] = [];
  const leader = context.peers.find(({ id }) => id === LEADER);
  if (leader === undefined) throw new Error("no leader");
  leader.send = async (message) => {
    sent.push(message);
  };
  const { votes } = context;
  const save = votes.save.bind(votes);
  let failures = 0;
  votes.save = async () => {
    failures += 1;
    throw new Error("connection terminated");
  };
  const proposed = await build(3n);
  const hash = await propose(3, LEADER, proposed, 0n);
  await until("storing failed", () => failures > 0);
  expect(sent.filter(({ kind }) => kind === "vote")).toEqual([]);
  votes.save = save;
  await until("it knows the lane again", () => driver.state.record !== null);
  expect(driver.state.record?.prepared).toBeNull();
  await propose(3, LEADER, proposed, 0n);
  await until("the vote is sent", () =>
    sent.some((message) => message.kind === "vote" && message.vote.batchHash === hash),
  );
  expect((await votes.record(position()))?.prepared).toBe(hash);
});

test("numbers beyond what a store holds are refused, not looked up", async () => {
  for (const path of ["/v1/batches/18446744073709551615", "/v1/batches/9223372036854775808?lane=0"])
    expect((await fetch(`${network.url(1)}${path}`)).status).toBe(400);
  await expect(propose(1, LEADER, draft, 2n ** 63n)).rejects.toMatchObject({ status: 400 });
});

test("a batch that the others signed without us is recomputed to be submitted, and one that is not right is left to them", async () => {
  const { context } = network.replica(1);
  const submitted: Line.Line[][] = [];
  const chain = {
    ...context.chain,
    submit: async ({ lines }: { lines: Line.Line[] }): Promise<Hex> => {
      submitted.push(lines);
      return hex;
    },
  };
  const submitter = new Submitter({ ...context, chain }, checkerOf(1));
  const unseen = await build(4n);
  const batchHash = BatchHeader.hash(unseen.header, domains.usageReceipts);
  expect(await context.votes.draft(1n, batchHash)).toBeNull();
  expect(await submitter.submit({ draft: unseen, batchHash, signature: hex, partials: [] })).toBe("sent");
  expect(submitted.map((lines) => Line.hash(lines))).toEqual([unseen.header.linesHash]);
  const wrong = { ...unseen, header: { ...unseen.header, totalNano: unseen.header.totalNano + 1n } };
  const wrongHash = BatchHeader.hash(wrong.header, domains.usageReceipts);
  const signed = { draft: wrong, batchHash: wrongHash, signature: hex, partials: [] };
  expect(await submitter.submit(signed)).toBe("unavailable");
  expect(submitted).toHaveLength(1);
});

test("looks at the chain at the same time are one look", async () => {
  const { driver } = network.replica(1);
  const look = driver.look();
  expect(driver.look()).toBe(look);
  await look;
});

test("a lane that is older than what was followed since is read again", async () => {
  const { context, driver, follower } = network.replica(1);
  await driver.look();
  const blocks: bigint[] = [];
  const { laneOf } = context.chain;
  const spy = vi.spyOn(context.chain, "laneOf").mockImplementation(async (laneId, block) => {
    const lane = await laneOf(laneId, block);
    blocks.push(block);
    // What a check of a proposal does at any time.
    if (blocks.length === 1) await until("another block", async () => (await follower.follow()) > block);
    return lane;
  });
  await driver.look();
  spy.mockRestore();
  expect(blocks).toHaveLength(2);
  expect(blocks[1]).toBeGreaterThan(blocks[0] ?? 0n);
});
