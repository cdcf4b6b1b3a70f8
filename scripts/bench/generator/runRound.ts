import { setTimeout as sleep } from "node:timers/promises";
import { nowNs, pace } from "./pacer.ts";
import type { Round, RoundPlan } from "./Round.ts";
import type { Sender } from "./Sender.ts";

/** The thread that keeps the time needs a moment to start. */
const LEAD_NS = 150_000_000n;
/** Calls still unanswered so long after the last was due are given up. */
const GIVE_UP_MS = 15_000;

type Marks = { measuring: () => void; measured: () => void };

/**
 * An open loop: each call begins when it is due, whether or not earlier ones were answered, and its latency counts from
 * then on. A server that stalls thus pays for all calls that had to wait (no coordinated omission).
 */
export const runRound = async (sender: Sender, plan: RoundPlan, marks: Marks): Promise<Round> => {
  const intervalNs = 1e9 / plan.rate;
  const warmUpCount = Math.round(plan.rate * plan.warmUpSeconds);
  const countedCount = Math.round(plan.rate * plan.seconds);
  const count = warmUpCount + countedCount;
  const startNs = nowNs() + LEAD_NS;
  const sinceStartMs = (): number => Number(nowNs() - startNs) / 1e6;

  const latenciesMs = new Float64Array(countedCount).fill(Number.NaN);
  const lagsMs = new Float64Array(countedCount);
  const failures: Record<string, number> = {};
  const running = new Set<Promise<void>>();
  let cpuBefore = process.cpuUsage();

  const callAt = async (index: number): Promise<void> => {
    const dueMs = (index * intervalNs) / 1e6;
    const counted = index - warmUpCount;
    if (counted >= 0) lagsMs[counted] = sinceStartMs() - dueMs;
    const outcome = await sender.send(index).catch((error: Error) => error.name);
    if (counted < 0) return;
    if (outcome.startsWith("2")) latenciesMs[counted] = sinceStartMs() - dueMs;
    else failures[outcome] = (failures[outcome] ?? 0) + 1;
  };
  await pace({ startNs, intervalNs, count }, (index) => {
    if (index === warmUpCount) {
      cpuBefore = process.cpuUsage();
      marks.measuring();
    }
    const call = callAt(index).finally(() => running.delete(call));
    running.add(call);
  });
  const lastDueMs = ((count - 1) * intervalNs) / 1e6;
  const giveUp = new AbortController();
  await Promise.race([
    Promise.all(running),
    sleep(GIVE_UP_MS, undefined, { signal: giveUp.signal }).catch(() => undefined),
  ]);
  giveUp.abort();
  const drainMs = sinceStartMs() - lastDueMs;
  if (running.size > 0) failures.unanswered = running.size;
  const { user, system } = process.cpuUsage(cpuBefore);
  marks.measured();
  return {
    ...plan,
    latenciesMs: latenciesMs.filter((value) => !Number.isNaN(value)),
    lagsMs,
    failures,
    drainMs,
    generatorCpuMs: (user + system) / 1000,
  };
};
