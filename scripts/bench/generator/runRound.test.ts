import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { percentilesOf } from "../measure/percentiles.ts";
import { runRound } from "./runRound.ts";
import type { Sender } from "./Sender.ts";

const senderOf = (send: Sender["send"]): Sender => ({
  jobIds: [],
  send,
  stream: async () => 200,
  close: async () => undefined,
});
const silent = { measuring: () => undefined, measured: () => undefined };

describe("an open loop", () => {
  test("begins calls while earlier ones still run, and counts those after the warm-up", async () => {
    let running = 0;
    let most = 0;
    const marks: string[] = [];
    const round = await runRound(
      senderOf(async () => {
        running += 1;
        most = Math.max(most, running);
        await sleep(100);
        running -= 1;
        return "200";
      }),
      { rate: 100, warmUpSeconds: 0.2, seconds: 0.5 },
      { measuring: () => marks.push("measuring"), measured: () => marks.push("measured") },
    );
    expect(most).toBeGreaterThan(3);
    expect(round.latenciesMs).toHaveLength(50);
    expect(marks).toEqual(["measuring", "measured"]);
  });

  test("makes a stall count for every call that was due meanwhile", async () => {
    const busyUntil = async (): Promise<string> => {
      const endsAt = performance.now() + 200;
      while (performance.now() < endsAt);
      return "200";
    };
    let stalled = false;
    const round = await runRound(
      senderOf(async (index) => {
        if (index !== 20 || stalled) return "200";
        stalled = true;
        return busyUntil();
      }),
      { rate: 100, warmUpSeconds: 0, seconds: 0.6 },
      silent,
    );
    // Of 60 calls, those of the stalled 200 ms waited from 200 ms down to nothing: a closed loop would show one of them.
    const slow = round.latenciesMs.filter((latency) => latency > 50);
    expect(slow.length).toBeGreaterThanOrEqual(14);
    expect(percentilesOf(round.latenciesMs).max).toBeGreaterThanOrEqual(200);
  });

  test("tells failures by what they were", async () => {
    const round = await runRound(
      senderOf(async (index) => {
        if (index % 3 === 0) throw new TypeError("broken");
        return index % 3 === 1 ? "402 credit_exhausted" : "200";
      }),
      { rate: 300, warmUpSeconds: 0, seconds: 0.1 },
      silent,
    );
    expect(round.failures).toEqual({ TypeError: 10, "402 credit_exhausted": 10 });
    expect(round.latenciesMs).toHaveLength(10);
  });
});
