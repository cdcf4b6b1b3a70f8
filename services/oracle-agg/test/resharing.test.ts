import { existsSync } from "node:fs";
import { ThresholdBls } from "@tac/protocol";
import type { Hex } from "viem";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { httpDkgPeer } from "../src/dkg/httpPeer.ts";
import { type PeerOf, runCeremony } from "../src/dkg/runCeremony.ts";
import { type Network, startNetwork, until } from "./support/network.ts";
import { call, openJob } from "./support/World.ts";

let network: Network;
const receiptIds: Hex[] = [];
let traffic: NodeJS.Timeout;

/** One receipt every 150 ms, for as long as the tests run. */
const startTraffic = (): void => {
  const job = openJob(network.gateway.account, { maxSpendNano: 100_000_000n });
  network.chain.lock(job);
  network.gateway.record({ kind: "job-opened", body: job.opened });
  traffic = setInterval(() => {
    const usage = call(job);
    network.gateway.record({ kind: "usage", body: usage });
    receiptIds.push(usage.receipt.receiptId);
  }, 150);
};

beforeAll(async () => {
  network = await startNetwork();
  startTraffic();
});

afterAll(async () => {
  clearInterval(traffic);
  await network?.stop();
});

const holds = (id: number, receiptId: Hex): Promise<boolean> =>
  network
    .replica(id)
    .context.batches.batchOfReceipt(receiptId)
    .then((batch) => batch !== null);

/** All that was recorded up to now is settled on these replicas. */
const allSettled = async (ids: readonly number[]): Promise<void> => {
  const recorded = [...receiptIds];
  await until(
    `replicas ${ids} settle ${recorded.length} receipts`,
    async () => {
      for (const id of ids)
        for (const receiptId of recorded)
          if (!network.isRunning(id) || !(await holds(id, receiptId))) return false;
      return true;
    },
    60_000,
  );
};

const misdeedsOf = async (by: number, of: number): Promise<boolean> =>
  (await network.metrics(by).misdeeds.get()).values.some(
    ({ labels, value }) => labels.guilt === "bad_partial" && labels.replica === String(of) && value > 0,
  );

describe("resharing from four replicas to five while receipts flow", () => {
  let oldShare: Hex;

  test("a ceremony in whose middle a replica dies goes on when that is back", async () => {
    await allSettled([1, 2, 3, 4]);
    const next = await network.withNewcomer(4);
    network.next = next;
    await network.start(5);
    const goal = { set: next, keyEpoch: 2, from: { set: network.set, keyEpoch: 1 } };
    const dying: PeerOf = ({ id, url }) => ({
      ...httpDkgPeer(url),
      ...(id === 2
        ? {
            round3: async () => {
              await network.kill(2);
              throw new Error("replica 2 died");
            },
          }
        : {}),
    });
    await expect(runCeremony(goal, dying)).rejects.toThrow("replica 2 died");
    await network.start(2);
    const key = await network.ceremony(goal);
    expect(key.groupPublicKey).toBe(network.chain.publicKey);
    expect(network.ring(2).ofEpoch(2)?.plan.attempt).toBe(1);
    oldShare = network.ring(3).ofEpoch(1)?.share ?? "0x";
    // The chain has not rotated yet, so the four settle on with their old shares.
    await allSettled([1, 2, 3, 4]);
    expect(network.chain.submissions.at(-1)?.header.keyEpoch).toBe(1);
  });

  test("after the rotation the five settle on, and every old share is gone", async () => {
    network.chain.nextEpoch();
    await until("the first batch of the new epoch is in", () =>
      network.chain.submissions.some(({ header }) => header.keyEpoch === 2),
    );
    await allSettled([1, 2, 3, 4, 5]);
    for (const id of [1, 2, 3, 4]) {
      expect(network.ring(id).keys.map(({ keyEpoch }) => keyEpoch)).toEqual([2]);
      expect(existsSync(`${network.keyFile(id)}.epoch-1`)).toBe(false);
    }
    const fifth = await network.replica(5).context.batches.lastApplied();
    expect(fifth?.batchNumber).toBeGreaterThan(0n);
  });

  test("four of five must sign now: three settle nothing", async () => {
    await network.kill(4);
    await network.kill(5);
    const before = network.chain.submissions.length;
    await new Promise((resolve) => setTimeout(resolve, 3_500));
    expect(network.chain.submissions.length).toBeLessThanOrEqual(before + 1);
    await network.start(4);
    await network.start(5);
    await allSettled([1, 2, 3, 4, 5]);
  });

  test("a replica that signs with its old share is named, and the others settle without it", async () => {
    const { publicShares } = network.ring(1).publicOf(1) ?? { publicShares: [] };
    expect(publicShares.find(({ replica }) => replica === 3)?.publicShare).toBe(
      ThresholdBls.publicKey(oldShare),
    );
    await network.kill(3);
    network.corruptShare(3, oldShare);
    await network.start(3);
    await until(
      "replica 3 is named",
      async () => {
        for (const id of [1, 2, 4, 5]) if (await misdeedsOf(id, 3)) return true;
        return false;
      },
      60_000,
    );
    await allSettled([1, 2, 4, 5]);
  });

  test("each receipt settled exactly once, and the chain paid their sum", async () => {
    clearInterval(traffic);
    await allSettled([1]);
    const { batches } = network.replica(1).context;
    const total = BigInt(network.chain.submissions.length);
    await until(
      "replica 1 applied every batch",
      async () => (await batches.lastApplied())?.batchNumber === total,
    );
    const settled: Hex[] = [];
    let sum = 0n;
    for (let number = 1n; number <= total; number += 1n)
      for (const { receipt } of (await batches.batch(number))?.receipts ?? []) {
        settled.push(receipt.receiptId);
        sum += receipt.costNano;
      }
    expect(settled.sort()).toEqual([...receiptIds].sort());
    expect(sum).toBe(network.chain.settledNano());
  });
});

test("rotation to a new key: what was signed under the old one and not submitted is signed again", async () => {
  startTraffic();
  network.corruptShare(3, null);
  await network.kill(3);
  await network.start(3);
  const set = network.next ?? network.set;
  const oldKey = network.chain.publicKey;
  const key = await network.ceremony({ set, keyEpoch: 3, from: null });
  expect(key.groupPublicKey).not.toBe(oldKey);
  network.chain.nextEpoch(key.groupPublicKey);
  await allSettled([1, 2, 3, 4, 5]);
  expect(network.chain.submissions.at(-1)?.header.keyEpoch).toBe(3);
});
