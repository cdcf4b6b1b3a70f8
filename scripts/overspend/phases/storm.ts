import { randomInt, randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { auditAtRest, problemsOf } from "../../spending/audit.ts";
import { chatBody } from "../../spending/bodies.ts";
import type { CallEnd, CallOptions, Spender } from "../../spending/Spender.ts";
import type { Harness } from "../Harness.ts";
import type { PhaseReport } from "./Phase.ts";

const CONNECTIONS_A_JOB = 40;
const JUMPS_MS = [3_600_000, -3_600_000, 90_000, -90_000, 0];

type Kind = { name: string; weight: number; body: () => object; options: () => CallOptions };

const stream = (): object => ({ stream: true, stream_options: { include_usage: true } });
const retried = { maxRetries: 4 };

/** What callers and providers do wrong, in the proportions of a bad day. */
const kinds: readonly Kind[] = [
  { name: "whole", weight: 40, body: () => chatBody({ latencyMs: 20 }), options: () => retried },
  {
    name: "streamed",
    weight: 20,
    body: () => chatBody({ tokenLatencyMs: 5 }, stream()),
    options: () => ({}),
  },
  {
    name: "hung up in mid-stream",
    weight: 20,
    body: () => chatBody({ tokenLatencyMs: 20 }, stream()),
    options: () => ({ hangUpAfterBytes: randomInt(200, 2_500) }),
  },
  { name: "provider silent", weight: 5, body: () => chatBody({ hangs: true }), options: () => ({}) },
  { name: "provider failing", weight: 5, body: () => chatBody({ fails: 503 }), options: () => ({}) },
  {
    name: "sent twice at once",
    weight: 10,
    body: () => chatBody({ latencyMs: 100 }),
    options: () => ({ ...retried, idempotencyKey: randomUUID() }),
  },
];

const draw = (): Kind => {
  let left = randomInt(kinds.reduce((sum, { weight }) => sum + weight, 0));
  const drawn = kinds.find(({ weight }) => {
    left -= weight;
    return left < 0;
  });
  if (drawn === undefined) throw new Error("Nothing was drawn.");
  return drawn;
};

const callOnce = async (spender: Spender): Promise<CallEnd[]> => {
  const { name, body, options } = draw();
  const [sent, chosen] = [body(), options()];
  const copies = name === "sent twice at once" ? 2 : 1;
  return Promise.all(Array.from({ length: copies }, () => spender.call(sent, chosen)));
};

/** Calls from `callers` at once until the time is over, whatever becomes of them. */
const callUntil = async (
  spenders: readonly Spender[],
  callers: number,
  deadline: number,
): Promise<CallEnd[]> => {
  const ends: CallEnd[] = [];
  await Promise.all(
    Array.from({ length: callers }, async (_, index) => {
      const spender = spenders[index % spenders.length];
      while (spender !== undefined && Date.now() < deadline) {
        const made = await callOnce(spender);
        ends.push(...made);
        // Whoever is refused at once would do nothing but knock.
        if (made.every(({ status }) => status === "lost" || status >= 402)) await sleep(50);
      }
    }),
  );
  return ends;
};

type Damage = { replicasKilled: number; databaseKilled: number; clockJumps: number };

/** Kills replicas and the database, and moves clocks, until the time is over; leaves everything running and on time. */
const damageUntil = async ({ fleet, stack }: Harness, deadline: number): Promise<Damage> => {
  const damage: Damage = { replicasKilled: 0, databaseKilled: 0, clockJumps: 0 };
  const restarts: Promise<void>[] = [];
  for (let round = 0; Date.now() < deadline; round += 1) {
    await sleep(2_000);
    const replica = fleet.replicas[round % fleet.replicas.length];
    if (replica === undefined) continue;
    const step = round % 4;
    if (step === 0 || step === 2) {
      await replica.kill();
      damage.replicasKilled += 1;
      restarts.push(replica.start());
    } else if (step === 1) {
      replica.clock.jump(JUMPS_MS[((round / 4) % JUMPS_MS.length) | 0] ?? 0);
      damage.clockJumps += 1;
    } else {
      await stack.kill("postgres");
      damage.databaseKilled += 1;
      await stack.restart("postgres");
    }
    await Promise.all(restarts.splice(0));
  }
  for (const { clock } of fleet.replicas) clock.jump(0);
  return damage;
};

/** A bad day: many callers on small locks while replicas and the database die and clocks jump. */
export const storm = async (
  harness: Harness,
  { seconds, jobs, callers }: { seconds: number; jobs: number; callers: number },
): Promise<PhaseReport> => {
  const holdNano = await harness.holdOf(chatBody({ latencyMs: 20 }));
  // Locks of different sizes, so that some run out early and some last.
  const spenders = await Promise.all(
    Array.from({ length: jobs }, (_, index) =>
      harness.openJob(holdNano * BigInt(20 * 4 ** (index % 4)), CONNECTIONS_A_JOB),
    ),
  );
  const deadline = Date.now() + seconds * 1000;
  const [ends, damage] = await Promise.all([
    callUntil(spenders, callers, deadline),
    damageUntil(harness, deadline),
  ]);
  const audits = await Promise.all(spenders.map(({ job }) => auditAtRest(harness.stack, job.jobId)));
  const count = (matches: (end: CallEnd) => boolean): number => ends.filter(matches).length;
  const sum = (of: (audit: (typeof audits)[number]) => number): number =>
    audits.reduce((total, audit) => total + of(audit), 0);
  return {
    name: "A storm of faults",
    figures: [
      ["calls", ends.length],
      ["callers at once", callers],
      ["jobs", jobs],
      ["replicas killed (SIGKILL)", damage.replicasKilled],
      ["PostgreSQL killed (SIGKILL)", damage.databaseKilled],
      ["clocks moved, up to an hour", damage.clockJumps],
      ["answered 200", count(({ status }) => status === 200)],
      ["refused with 402", count(({ status }) => status === 402)],
      ["answered 5xx", count(({ status }) => status !== "lost" && status >= 500)],
      ["lost or hung up", count(({ status }) => status === "lost")],
      ["charged", sum(({ charged }) => charged)],
      ["released", sum(({ released }) => released)],
    ],
    jobs: audits,
    problems: audits.flatMap(problemsOf),
  };
};
