import type { UsageReceipt } from "@tac/protocol";
import fc from "fast-check";
import type { Address, Hex } from "viem";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { FeedWriter } from "../src/feed/FeedWriter.ts";
import { setBudget } from "../src/ledger/Budget.ts";
import type { Capture } from "../src/ledger/Capture.ts";
import type { HoldOutcome, WantedHold } from "../src/ledger/Hold.ts";
import { HoldBatcher } from "../src/ledger/HoldBatcher.ts";
import { verifyLedger } from "../src/ledger/verifyLedger.ts";
import { hex32 } from "./support/hex32.ts";
import {
  captureTogether,
  everyRow,
  gateway,
  holdTogether,
  insertJob,
  owner,
  proofMemoryMs,
  startLedgerStore,
} from "./support/ledgerStore.ts";

type Store = Awaited<ReturnType<typeof startLedgerStore>>;

const NOW_MS = 1_000_000;
const plainTenant: Address = `0x${"01".repeat(20)}`;
const budgetedTenant: Address = `0x${"02".repeat(20)}`;

const batcher = ({ pool }: Store) => new HoldBatcher(pool, { owner, proofMemoryMs, nowMs: () => NOW_MS });
/** Takes a hold, and waits for what it did. */
const holdAlone = async (store: Store, wantedHold: WantedHold): Promise<HoldOutcome> => {
  const taken = await batcher(store).hold(wantedHold);
  if (taken.outcome === "held") await taken.durable;
  return taken;
};

const wanted = (jobId: Hex, change: Partial<WantedHold> = {}): WantedHold => {
  const proofHash = hex32();
  return {
    callId: hex32(),
    receiptId: proofHash,
    jobId,
    kind: "chat",
    model: "chat-1",
    providerId: 7,
    tariffHash: proofHash,
    holdNano: 10n,
    floorNano: change.holdNano ?? 10n,
    requestHash: proofHash,
    proofHash,
    idempotencyKey: null,
    jtiHash: proofHash,
    ...change,
  };
};

const charge = (hold: WantedHold, costNano: bigint) => {
  const { callId, receiptId, jobId, proofHash } = hold;
  const receipt: UsageReceipt.UsageReceipt = {
    receiptId,
    jobId,
    capabilityHash: jobId,
    gateway,
    providerId: 7,
    modelHash: proofHash,
    inputTokens: 3n,
    cachedInputTokens: 0n,
    outputTokens: 4n,
    requests: 1n,
    durationMs: 0n,
    costNano,
    tariffHash: proofHash,
    requestHash: proofHash,
    responseHash: proofHash,
    proofHash,
    countersigned: false,
    occurredAtMs: BigInt(NOW_MS),
  };
  const body = {
    receipt,
    receiptSignature: proofHash,
    proof: "a.b.c",
    usageAuth: "token",
    usageReport: null,
  };
  const answer = { status: 200, headers: { "x-of": callId }, body: Buffer.from(callId) };
  const capture: Capture = { callId, receipt, outcome: "complete", answer };
  return { event: { kind: "usage", body } as const, capture };
};

const release = async ({ pool }: Store, { callId }: WantedHold): Promise<string> => {
  const { rows } = await pool.query<{ released: boolean }>(
    "SELECT release_call(decode($1, 'hex'), 'internal', $2) AS released",
    [callId.slice(2), NOW_MS],
  );
  return `released ${rows[0]?.released}`;
};

let alone: Store;
let together: Store;
beforeAll(async () => {
  [alone, together] = await Promise.all([startLedgerStore(), startLedgerStore()]);
});
afterAll(async () => {
  await alone.stop();
  await together.stop();
});

/** Jobs of every kind that a hold can meet, the same in both stores. */
const openJobs = async (): Promise<Hex[]> => {
  const jobs = [
    { jobId: hex32(), tenant: plainTenant, lockedNano: 25n },
    { jobId: hex32(), tenant: plainTenant, lockedNano: 10_000n },
    { jobId: hex32(), tenant: budgetedTenant, lockedNano: 40n },
    { jobId: hex32(), tenant: plainTenant, lockedNano: 60n, status: "closed" as const },
    { jobId: hex32(), tenant: plainTenant, lockedNano: 60n, revokedAtMs: 5 },
    { jobId: hex32(), tenant: plainTenant, lockedNano: 60n, expiresAtMs: NOW_MS },
    { jobId: hex32(), tenant: plainTenant, lockedNano: 60n, validAfterMs: NOW_MS + 1 },
  ];
  for (const { pool } of [alone, together]) {
    for (const job of jobs) await insertJob(pool, job);
  }
  return [...jobs.map(({ jobId }) => jobId), hex32()];
};

// Jobs that take holds come up more often than those that refuse them.
const jobIndex = fc.oneof({ weight: 4, arbitrary: fc.nat(2) }, { weight: 1, arbitrary: fc.nat(7) });
const holdStep = fc.record({
  does: fc.constant("hold" as const),
  job: jobIndex,
  holdNano: fc.bigInt(0n, 30n),
  floorPercent: fc.constantFrom(100n, 100n, 0n, 50n),
  key: fc.constantFrom(null, null, "one", "two"),
  /** Which earlier hold's proof is sent again, and whether the gateway knew it as spent. */
  again: fc.option(fc.nat(20), { freq: 3, nil: null }),
  isJtiKnown: fc.boolean(),
});
const captureStep = fc.record({
  does: fc.constant("capture" as const),
  call: fc.nat(20),
  costPercent: fc.constantFrom(0n, 30n, 100n),
});
const releaseStep = fc.record({ does: fc.constant("release" as const), call: fc.nat(20) });
const history = fc.array(fc.oneof({ weight: 3, arbitrary: holdStep }, captureStep, releaseStep), {
  minLength: 5,
  maxLength: 30,
});
type Step = typeof history extends fc.Arbitrary<(infer Each)[]> ? Each : never;

/** Meets every refusal but a budget's, which comes by itself when the histories have used it up. */
const refusals: Step[] = [
  ...[0, 1, 3, 4, 5, 6, 7].map((job) => ({ job, key: null, again: null })),
  { job: 1, key: "one" as const, again: null },
  { job: 1, key: "one" as const, again: null },
  { job: 1, key: null, again: 1 },
].map((step) => ({ does: "hold" as const, holdNano: 30n, floorPercent: 100n, isJtiKnown: false, ...step }));

/** What the store says to one step, whichever way it is taken. */
type Way = {
  hold: (hold: WantedHold) => Promise<string>;
  capture: (hold: WantedHold, costNano: bigint) => Promise<boolean>;
  release: (hold: WantedHold) => Promise<string>;
};

const holdOf = (step: Extract<Step, { does: "hold" }>, jobIds: Hex[], earlier: WantedHold[]): WantedHold => {
  const jobId = jobIds[step.job] ?? hex32();
  const { holdNano, key } = step;
  const fresh = wanted(jobId, {
    holdNano,
    floorNano: (holdNano * step.floorPercent) / 100n,
    idempotencyKey: key,
  });
  // A key names the call of its job, as it does in the gateway; without one the proof does.
  const keyed =
    key === null
      ? fresh
      : { ...fresh, receiptId: `${jobId.slice(0, -2)}${key === "one" ? "01" : "02"}` as Hex };
  const before = step.again === null ? undefined : earlier[step.again % Math.max(earlier.length, 1)];
  if (before === undefined) return keyed;
  const { proofHash, jtiHash } = before;
  return {
    ...keyed,
    receiptId: key === null ? proofHash : keyed.receiptId,
    proofHash,
    jtiHash: step.isJtiKnown ? null : jtiHash,
  };
};

const play = async (steps: readonly Step[], jobIds: Hex[], ways: readonly Way[]): Promise<string[][]> => {
  const said: string[][] = ways.map(() => []);
  const holds: WantedHold[] = [];
  for (const step of steps) {
    const call =
      step.does === "hold" ? holdOf(step, jobIds, holds) : holds[step.call % Math.max(holds.length, 1)];
    if (call === undefined) continue;
    if (step.does === "hold") holds.push(call);
    for (const [index, way] of ways.entries()) {
      const answer =
        step.does === "hold"
          ? await way.hold(call)
          : step.does === "release"
            ? await way.release(call)
            : `captured ${await way.capture(call, (call.floorNano * step.costPercent) / 100n)}`;
      said[index]?.push(answer);
    }
  }
  return said;
};

describe("a call that is alone in its statement", () => {
  test("gets the outcome, the rows and the hashes that it would get in a batch, in any history", async () => {
    for (const { pool } of [alone, together]) {
      const budget = { tenant: budgetedTenant, level: "tenant", subject: "" } as const;
      await setBudget(pool, budget, { limitNano: 120n, period: "none" });
    }
    const feed = new FeedWriter(alone.pool, gateway, () => NOW_MS);
    const ways: Way[] = [
      {
        hold: async (hold) => {
          const taken = await holdAlone(alone, hold);
          return taken.outcome === "held" ? `held ${taken.holdNano}` : taken.outcome;
        },
        capture: (hold, costNano) => {
          const { event, capture } = charge(hold, costNano);
          return feed.capture(event, capture);
        },
        release: (hold) => release(alone, hold),
      },
      {
        hold: async (hold) => (await holdTogether(together.pool, [hold], NOW_MS))[0] ?? "nothing",
        capture: (hold, costNano) => {
          const { event, capture } = charge(hold, costNano);
          return captureTogether(together.pool, event, capture, NOW_MS);
        },
        release: (hold) => release(together, hold),
      },
    ];
    const seen = new Set<string>();
    await fc.assert(
      fc.asyncProperty(history, async (steps) => {
        const [one, other] = await play(steps, await openJobs(), ways);
        expect(one).toEqual(other);
        for (const answer of one ?? []) seen.add(answer.split(" ")[0] ?? "");
      }),
      { numRuns: 60, endOnFailure: true, examples: [[refusals]] },
    );
    expect(await everyRow(alone.pool)).toEqual(await everyRow(together.pool));
    for (const { pool } of [alone, together]) expect((await verifyLedger(pool)).problems).toEqual([]);
    // What the histories met; without this a history that never refuses anything would pass.
    for (const outcome of [
      ["held", "captured", "released", "proof_replayed", "duplicate", "unknown_job", "capability_revoked"],
      ["job_closed", "capability_expired", "capability_not_yet_valid", "credit_exhausted"],
      ["tenant_budget_exhausted"],
    ].flat()) {
      expect(seen, outcome).toContain(outcome);
    }
  }, 60_000);

  test("cannot be overspent by others that come at the same moment, alone or in batches", async () => {
    const jobId = hex32();
    await insertJob(alone.pool, { jobId, tenant: plainTenant, lockedNano: 79n });
    const lone = Array.from({ length: 40 }, () => holdAlone(alone, wanted(jobId)));
    const batches = Array.from({ length: 10 }, () =>
      holdTogether(alone.pool, [wanted(jobId), wanted(jobId)], NOW_MS),
    );
    const outcomes = [
      ...(await Promise.all(lone)).map(({ outcome }) => outcome),
      ...(await Promise.all(batches)).flat().map((outcome) => outcome.split(" ")[0]),
    ];
    expect(outcomes.filter((outcome) => outcome === "held")).toHaveLength(7);
    expect(outcomes.filter((outcome) => outcome === "credit_exhausted")).toHaveLength(53);
    expect((await verifyLedger(alone.pool)).problems).toEqual([]);
  });

  test("is held once for its proof and once for its key, whoever sends them at the same moment", async () => {
    const jobId = hex32();
    await insertJob(alone.pool, { jobId, tenant: plainTenant, lockedNano: 1_000n });
    const sent = wanted(jobId);
    const replays = await Promise.all(
      Array.from({ length: 12 }, () => holdAlone(alone, { ...sent, callId: hex32() })),
    );
    expect(replays.map(({ outcome }) => outcome).sort()).toEqual([
      "held",
      ...Array(11).fill("proof_replayed"),
    ]);
    const receiptId = hex32();
    const keyed = await Promise.all(
      Array.from({ length: 12 }, () =>
        holdAlone(alone, wanted(jobId, { receiptId, idempotencyKey: "the key" })),
      ),
    );
    expect(keyed.map(({ outcome }) => outcome).sort()).toEqual([...Array(11).fill("duplicate"), "held"]);
    const { rows } = await alone.pool.query(
      "SELECT held_nano, ledger_count FROM jobs WHERE job_id = decode($1, 'hex')",
      [jobId.slice(2)],
    );
    expect(rows).toEqual([{ held_nano: 20n, ledger_count: 3n }]);
  });

  test("is charged once by several replicas that share the feed", async () => {
    const jobId = hex32();
    await insertJob(alone.pool, { jobId, tenant: plainTenant, lockedNano: 1_000n });
    const calls = Array.from({ length: 10 }, () => wanted(jobId));
    for (const call of calls) await holdAlone(alone, call);
    const writers = Array.from({ length: 3 }, () => new FeedWriter(alone.pool, gateway, () => NOW_MS));
    const charged = await Promise.all(
      writers.flatMap((writer) =>
        calls.map((call) => {
          const { event, capture } = charge(call, 4n);
          return writer.capture(event, capture);
        }),
      ),
    );
    expect(charged.filter((isCharged) => isCharged)).toHaveLength(10);
    const { rows } = await alone.pool.query(
      "SELECT held_nano, spent_nano, receipt_count FROM jobs WHERE job_id = decode($1, 'hex')",
      [jobId.slice(2)],
    );
    expect(rows).toEqual([{ held_nano: 0n, spent_nano: 40n, receipt_count: 10n }]);
    expect((await verifyLedger(alone.pool)).problems).toEqual([]);
  });
});
