import { BatchHeader, ThresholdBls } from "@tac/protocol";
import type { Hex } from "viem";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createPeerPort, type Proposal } from "../src/peers/PeerPort.ts";
import { PeerRefused } from "../src/peers/signedCall.ts";
import { Builder } from "../src/replica/Builder.ts";
import { type Network, startNetwork, until } from "./support/network.ts";
import { call, domains, openJob } from "./support/World.ts";

let network: Network;
let proposal: Proposal;
let leader: number;

const followers = (): number[] => [1, 2, 3, 4].filter((id) => id !== leader);

/** The leader of the first batch, speaking for itself, while nobody leads on his own: all loops of leaders rest. */
beforeAll(async () => {
  network = await startNetwork({ leaderMs: 3_600_000 });
  const job = openJob(network.gateway.account);
  network.chain.lock(job);
  network.gateway.record({ kind: "job-opened", body: job.opened }, { kind: "usage", body: call(job) });
  await until("all pulled", async () => {
    const counts = await Promise.all(
      [1, 2, 3, 4].map((id) => network.replica(id).context.feeds.pendingCount()),
    );
    return counts.every((count) => count === 1);
  });
  leader = 2;
  proposal = await build();
});

afterAll(async () => {
  await network?.stop();
});

/** Waits for a block after the events, because a window ends with the pinned block. */
const build = async (earlierByMs = 0n): Promise<Proposal> => {
  const { context, follower } = network.replica(leader);
  const built: Proposal[] = [];
  await until("something to propose", async () => {
    const followed = await follower.follow();
    const lane = await context.chain.laneOf(0, followed);
    const windowEndMs = (await context.chain.timeOf(followed)) - earlierByMs;
    const plan = await new Builder(context).plan(lane, followed, windowEndMs);
    if (plan !== null) built.push({ header: plan.batch.header, sources: plan.batch.sources, view: 0n });
    return plan !== null;
  });
  const [proposal] = built;
  if (proposal === undefined) throw new Error("nothing to propose");
  return proposal;
};

const portTo = (id: number, from = leader) => {
  const nodeKey = network.nodeKey(from);
  return createPeerPort(id, network.url(id), 0, { peer: String(from), nodeKey: nodeKey.signing });
};

const reasonsFrom = async (id: number, bad: Proposal, from = leader): Promise<string> => {
  try {
    await portTo(id, from).propose(bad, 5_000);
    return "signed";
  } catch (error) {
    if (error instanceof PeerRefused) return `${error.status}: ${error.reasons.join("; ")}`;
    throw error;
  }
};

const withHeader = (change: Partial<BatchHeader.BatchHeader>): Proposal => ({
  ...proposal,
  header: { ...proposal.header, ...change },
});
const hex: Hex = `0x${"cd".repeat(32)}`;

test.each<[string, () => Proposal, RegExp]>([
  ["another total", () => withHeader({ totalNano: proposal.header.totalNano + 1n }), /another total/],
  ["another root", () => withHeader({ receiptsRoot: hex }), /another receipts root/],
  ["other lines", () => withHeader({ linesHash: hex }), /other lines/],
  [
    "a batch number that is not next",
    () => ({ ...withHeader({ batchNumber: 5n }) }),
    /the lane's next batch is 1/,
  ],
  [
    "a window in the future",
    () => withHeader({ windowEnd: BigInt(Date.now() + 60_000) }),
    /ends after the pinned block/,
  ],
  [
    "a window with a gap",
    () => withHeader({ windowStart: proposal.header.windowStart + 1n }),
    /does not adjoin/,
  ],
  ["another lane", () => withHeader({ laneId: 7 }), /another lane/],
  ["another key epoch", () => withHeader({ keyEpoch: 2 }), /key epoch 1/],
  ["another previous batch", () => withHeader({ previousBatchHash: hex }), /previous batch is another/],
  [
    "sources that are not the header's",
    () => ({ ...proposal, sources: { ...proposal.sources, chainBlock: 1n } }),
    /sources are not/,
  ],
])("a proposal with %s is refused with its reason", async (_name, bad, reason) => {
  expect(await reasonsFrom(1, bad())).toMatch(reason);
});

test("a replica that does not lead the view is refused, and so is a view far ahead", async () => {
  expect(await reasonsFrom(1, proposal, 3)).toMatch(/replica 2 leads this view, not 3/);
  expect(await reasonsFrom(1, { ...proposal, view: 4_000n })).toMatch(/we are in view/);
});

test("a call that is not signed by a node of the set is refused", async () => {
  const stranger = createPeerPort(1, network.url(1), 0, { peer: "2", nodeKey: network.nodeKey(3).signing });
  await expect(stranger.propose(proposal, 5_000)).rejects.toMatchObject({ status: 401 });
  const unsigned = await fetch(`${network.url(1)}/v1/peer/proposals`, { method: "POST", body: "{}" });
  expect(unsigned.status).toBeGreaterThanOrEqual(400);
});

test("a replica signs one header in a view: the same again gets the same signature, another one gets none", async () => {
  const current = await currentView();
  const honest = { ...(await build()), view: current };
  const first = await portTo(1).propose(honest, 5_000);
  expect(await portTo(1).propose(honest, 5_000)).toEqual(first);
  const other = { ...(await build(1n)), view: current };
  expect(BatchHeader.hash(other.header, domains.usageReceipts)).not.toBe(
    BatchHeader.hash(honest.header, domains.usageReceipts),
  );
  expect(await reasonsFrom(1, other)).toMatch(/another header was signed in this view/);
  expect(followers()).toContain(1);
});

test("of the signers a peer names only those whose partial signature holds are kept", async () => {
  const { context } = network.replica(1);
  const [newest] = await context.batches.proposals(1n);
  if (newest === undefined) throw new Error("nothing was signed");
  const { batchHash } = newest;
  const partialBy = (id: number): Hex =>
    ThresholdBls.partialSign(batchHash, network.replica(id).context.key.share);
  const signature = ThresholdBls.combine([1, 3, 4].map((index) => ({ index, signature: partialBy(index) })));
  const shareOf = (id: number): Hex =>
    context.key.publicShares.find(({ replica }) => replica === id)?.publicShare ?? "0x";
  await portTo(1).announce({
    batchNumber: 1n,
    batchHash,
    signature,
    partials: [
      { replica: 1, publicShare: shareOf(1), signature: partialBy(1) },
      { replica: 3, publicShare: shareOf(3), signature: partialBy(1) },
      { replica: 4, publicShare: shareOf(1), signature: partialBy(1) },
    ],
    transactionHash: null,
  });
  const stored = await context.batches.proposal(1n, batchHash);
  expect(stored?.groupSignature).toBe(signature);
  expect(stored?.partials.map(({ replica }) => replica)).toEqual([1]);
});

test("numbers beyond what a store holds are refused, not looked up", async () => {
  for (const path of ["/v1/batches/18446744073709551615", "/v1/batches/9223372036854775808?lane=0"])
    expect((await fetch(`${network.url(1)}${path}`)).status).toBe(400);
  const limit = 2n ** 63n;
  expect(await reasonsFrom(1, { ...proposal, view: limit })).toMatch(/^400/);
  expect(await reasonsFrom(1, withHeader({ batchNumber: limit }))).toMatch(/^400/);
});

/** Replica 2 leads views 0, 4, 8 ... of batch 1; waits for the next one, and takes its number. */
const currentView = async (): Promise<bigint> => {
  let view = 0n;
  await until("replica 2 leads", async () => {
    const answer = await reasonsFrom(1, { ...withHeader({ laneId: 7 }), view });
    if (/another lane/.test(answer)) return true;
    const found = /we are in view (\d+)/.exec(answer);
    if (found !== null) view = (BigInt(found[1] ?? "0") / 4n) * 4n;
    return false;
  });
  return view;
};
