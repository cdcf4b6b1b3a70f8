import { setTimeout as sleep } from "node:timers/promises";
import { fetchJson } from "@tac/kit";
import { MerkleTree, UsageReceipt, Wire } from "@tac/protocol";
import type { Hex } from "viem";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { batchBodySchema } from "../src/store/content.ts";
import { type Network, startNetwork, until } from "./support/network.ts";
import { call, closeJob, openJob, type TestJob } from "./support/World.ts";

const settledSchema = z.object({
  receipt: UsageReceipt.schema,
  batchNumber: z.string(),
  proof: z.array(Wire.bytes32),
});
const rejectionsSchema = z.array(z.object({ seq: z.string(), code: z.string() }));

const decisionSchema = z.object({
  committedHash: z.string(),
  positions: z.array(z.object({ decided: z.string().nullable() })),
  events: z.array(
    z.object({
      seq: z.string(),
      receiptId: z.string().nullable(),
      accepted: z.boolean(),
      code: z.string().nullable(),
    }),
  ),
});

let network: Network;

beforeAll(async () => {
  network = await startNetwork();
});

afterAll(async () => {
  await network?.stop();
});

const lockedJob = (choices: Parameters<typeof openJob>[1] = {}): TestJob => {
  const job = openJob(network.gateway.account, choices);
  network.chain.lock(job);
  network.gateway.record({ kind: "job-opened", body: job.opened });
  return job;
};

const pay = (job: TestJob, choices: Parameters<typeof call>[1] = {}): Hex => {
  const usage = call(job, choices);
  network.gateway.record({ kind: "usage", body: usage });
  return usage.receipt.receiptId;
};

const hasReceipt = async (id: number, receiptId: Hex): Promise<boolean> =>
  network.isRunning(id) && (await network.replica(id).context.batches.batchOfReceipt(receiptId)) !== null;

const settledOn = (ids: readonly number[], receiptIds: readonly Hex[]) =>
  until(`replicas ${ids} have the receipts in a committed batch`, async () => {
    for (const id of ids)
      for (const receiptId of receiptIds) if (!(await hasReceipt(id, receiptId))) return false;
    return true;
  });

describe("four replicas, three of which must agree", () => {
  test("settle receipts of two providers, with proofs, and tell the gateway", async () => {
    const job = lockedJob();
    const receiptIds = [pay(job), pay(job, { providerId: 2, report: {} }), pay(job)];
    await settledOn([1, 2, 3, 4], receiptIds);
    const [first] = receiptIds;
    const settled = await fetchJson(`${network.url(2)}/v1/receipts/${first}`, { schema: settledSchema });
    const batchUrl = `${network.url(3)}/v1/batches/${settled.batchNumber}?lane=0`;
    const batch = await fetchJson(batchUrl, { schema: batchBodySchema });
    const leaf = UsageReceipt.leaf(settled.receipt);
    expect(MerkleTree.verify(batch.header.receiptsRoot, leaf, settled.proof)).toBe(true);
    expect(batch.partials).toHaveLength(3);
    const delivered = () => network.gateway.deliveries.flatMap((delivery) => delivery.receiptIds);
    await until("the gateway is told", () =>
      receiptIds.every((receiptId) => delivered().includes(receiptId)),
    );
  });

  test("close a job in the batch that has the close event, once", async () => {
    const job = lockedJob();
    const receiptId = pay(job);
    network.gateway.record({ kind: "job-closed", body: closeJob(job) });
    await settledOn([1, 2, 3, 4], [receiptId]);
    await until(
      "the lock is closed",
      () => network.chain.locks.get(job.capability.jobId)?.state === "closed",
    );
    const lines = network.chain.submissions.flatMap((submission) => submission.lines);
    expect(lines.filter(({ jobId, isFinal }) => isFinal && jobId === job.capability.jobId)).toHaveLength(1);
  });

  test("all leave out a receipt with a wrong price, a reused proof and an overdrawn job; the rest settles", async () => {
    const job = lockedJob({ maxSpendNano: 50_000n });
    const good = call(job);
    const dear = call(job, { receipt: { costNano: 20_001n } });
    const reused = call(job, { rawProof: good.proof, receipt: { requestHash: good.receipt.requestHash } });
    const bodies = [good, dear, reused, call(job), call(job)];
    for (const body of bodies) network.gateway.record({ kind: "usage", body });
    const refusedSeq = network.gateway.events.slice(-4).map(({ seq }) => seq);
    await settledOn([1, 2, 3, 4], [good.receipt.receiptId]);
    for (const id of [1, 2, 3, 4]) {
      const rejections = await fetchJson(`${network.url(id)}/v1/rejections`, { schema: rejectionsSchema });
      const codeOf = (seq: bigint | undefined) =>
        rejections.find((rejection) => rejection.seq === String(seq))?.code;
      expect([codeOf(refusedSeq[0]), codeOf(refusedSeq[1]), codeOf(refusedSeq[3])]).toEqual([
        "price_mismatch",
        "proof_reused",
        "over_lock",
      ]);
    }
    expect(network.chain.locks.get(job.capability.jobId)?.remainingNano).toBe(10_000n);
    const settled = await fetchJson(`${network.url(1)}/v1/receipts/${good.receipt.receiptId}`, {
      schema: settledSchema,
    });
    for (const id of [1, 2, 3, 4]) {
      const url = `${network.url(id)}/v1/batches/${settled.batchNumber}/decision`;
      const decision = await fetchJson(url, { schema: decisionSchema });
      const outcomeOf = (seq: bigint | undefined) =>
        decision.events.find((event) => event.seq === String(seq));
      expect(decision.events.find(({ receiptId }) => receiptId === good.receipt.receiptId)?.accepted).toBe(
        true,
      );
      expect(outcomeOf(refusedSeq[0])).toMatchObject({ accepted: false, code: "price_mismatch" });
      expect(decision.positions[0]?.decided ?? decision.committedHash).toBe(decision.committedHash);
    }
  });

  test("a leader that is dead costs one view, not the settlement", async () => {
    const nextBatch = BigInt(network.chain.submissions.length + 1);
    const leader = Number(nextBatch % 4n) + 1;
    await network.kill(leader);
    const job = lockedJob();
    const alive = [1, 2, 3, 4].filter((id) => id !== leader);
    await settledOn(alive, [pay(job)]);
    await network.start(leader);
    await settledOn([leader], [pay(job)]);
  });

  test("two replicas settle nothing; they do as soon as a third is back, which catches up with all it missed", async () => {
    await network.kill(1);
    await settledOn([2, 3, 4], [pay(lockedJob())]);
    await network.kill(2);
    const batches = network.chain.submissions.length;
    const receiptId = pay(lockedJob());
    await sleep(4_000);
    expect(network.chain.submissions).toHaveLength(batches);
    await network.start(1);
    await settledOn([1, 3, 4], [receiptId]);
    await network.start(2);
    const all = network.chain.submissions.length;
    await until("both applied every batch", async () => {
      const applied = await Promise.all(
        [1, 2, 3, 4].map((id) =>
          network
            .replica(id)
            .context.batches.lastApplied()
            .catch(() => null),
        ),
      );
      return applied.every((batch) => batch !== null && batch.batchNumber >= BigInt(all));
    });
  });

  test("with chain and gateway out of reach nothing is lost, and all is settled once they are back", async () => {
    const job = lockedJob();
    const receiptId = pay(job);
    network.chain.isDown = true;
    network.gateway.isDown = true;
    await sleep(1_500);
    const later = pay(job);
    network.gateway.isDown = false;
    await sleep(500);
    network.chain.isDown = false;
    await settledOn([1, 2, 3, 4], [receiptId, later]);
    const delivered = () => network.gateway.deliveries.flatMap((delivery) => delivery.receiptIds);
    await until("the gateway is told", () => [receiptId, later].every((id) => delivered().includes(id)));
  });

  test("a replica that signs with a wrong share is named and does not prevent settlement", async () => {
    await network.kill(3);
    network.corruptShare(3, `0x${"11".repeat(32)}`);
    await network.start(3);
    const job = lockedJob();
    const named = async (): Promise<boolean> => {
      for (const id of [1, 2, 4]) {
        const { values } = await network.metrics(id).misdeeds.get();
        if (
          values.some(
            ({ labels, value }) => labels.guilt === "bad_partial" && labels.replica === "3" && value > 0,
          )
        )
          return true;
      }
      return false;
    };
    for (let round = 0; round < 12 && !(await named()); round += 1) await settledOn([1, 2, 4], [pay(job)]);
    expect(await named()).toBe(true);
  });

  test("a receipt whose line is not paid has the line's status on every replica", async () => {
    network.chain.inactive.add(2);
    const receiptId = pay(lockedJob(), { providerId: 2, report: {} });
    await settledOn([1, 2, 4], [receiptId]);
    network.chain.inactive.delete(2);
    for (const id of [1, 2, 4]) {
      const settled = await fetchJson(`${network.url(id)}/v1/receipts/${receiptId}`, {
        schema: settledSchema.extend({ lineOutcome: z.object({ status: z.string(), paidNano: z.string() }) }),
      });
      expect(settled.lineOutcome).toEqual({ status: "ProviderInactive", paidNano: "0" });
      const batch = await fetchJson(`${network.url(id)}/v1/batches/${settled.batchNumber}`, {
        schema: z.object({ outcomes: z.array(z.object({ status: z.string() })) }),
      });
      expect(batch.outcomes).toEqual([{ status: "ProviderInactive" }]);
    }
  });

  test("a batch that a reorganisation took back is submitted again, in a transaction that replaces the first", async () => {
    const receiptId = pay(lockedJob());
    await settledOn([1, 2, 3, 4], [receiptId]);
    const count = network.chain.submissions.length;
    const transactionOf = async () =>
      (await network.replica(1).context.batches.batch(BigInt(count)))?.transactionHash;
    const before = await transactionOf();
    network.chain.reorganise();
    expect(network.chain.submissions).toHaveLength(count - 1);
    await until("the batch is in again", () => network.chain.submissions.length === count);
    await until("the new transaction is known", async () => (await transactionOf()) !== before);
    await settledOn([1, 2, 3, 4], [pay(lockedJob())]);
  });

  test("a lock that a reorganisation moved into a block that was read before is found", async () => {
    await settledOn([1, 2, 3, 4], [pay(lockedJob())]);
    const job = openJob(network.gateway.account);
    network.gateway.record({ kind: "job-opened", body: job.opened });
    const receiptId = pay(job);
    network.chain.reorganise(job);
    await settledOn([1, 2, 3, 4], [receiptId]);
  });

  test("a batch that became void, because a rotation came before it could return, is taken back and its receipts settle anew", async () => {
    const receiptId = pay(lockedJob());
    await settledOn([1, 2, 3, 4], [receiptId]);
    const count = network.chain.submissions.length;
    const { set } = network;
    await network.ceremony({ set, keyEpoch: 2, from: { set, keyEpoch: 1 } });
    network.chain.reorganise();
    network.chain.nextEpoch();
    await until("a batch of the new epoch is in", () => network.chain.submissions.length === count);
    expect(network.chain.submissions.at(-1)?.header.keyEpoch).toBe(2);
    await until("all replicas have it", async () => {
      const running = [1, 2, 3, 4].filter(network.isRunning);
      const numbers = await Promise.all(
        running.map((id) => network.replica(id).context.batches.header(BigInt(count))),
      );
      if (running.length < 4) return false;
      return numbers.every((header) => header?.keyEpoch === 2);
    });
    await settledOn([1, 2, 3, 4], [receiptId]);
  });

  test("nothing was paid twice: the chain's total is the sum of the receipts each replica holds", async () => {
    const { batches } = network.replica(1).context;
    const total = BigInt(network.chain.submissions.length);
    await until(
      "replica 1 applied every batch",
      async () => (await batches.lastApplied())?.batchNumber === total,
    );
    let sum = 0n;
    const seen = new Set<Hex>();
    for (let number = 1n; number <= total; number += 1n)
      for (const { receipt } of (await batches.batch(number))?.receipts ?? []) {
        expect(seen.has(receipt.receiptId)).toBe(false);
        seen.add(receipt.receiptId);
        sum += receipt.costNano;
      }
    expect(sum).toBe(network.chain.settledNano());
  });
});
