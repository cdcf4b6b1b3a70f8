import { describe, expect, test } from "vitest";
import type { Round } from "./generator/Round.ts";
import { isHopeless, judgeRound } from "./judgeRound.ts";

const round = (changes: Partial<Round> = {}): Round => ({
  rate: 100,
  warmUpSeconds: 1,
  seconds: 1,
  latenciesMs: new Float64Array(100).fill(2),
  lagsMs: new Float64Array(100).fill(0.1),
  failures: {},
  drainMs: 2,
  generatorCpuMs: 10,
  ...changes,
});

describe("a rate is held", () => {
  test("when all calls are answered in time", () => {
    expect(judgeRound(round())).toBeNull();
  });

  test("not when a call failed", () => {
    expect(judgeRound(round({ failures: { "503": 1, HeadersTimeoutError: 2 } }))).toBe(
      "1 ended with 503, 2 ended with HeadersTimeoutError",
    );
  });

  test("not when two calls of a hundred take longer than 50 ms, though one may", () => {
    const latenciesMs = new Float64Array(100).fill(2);
    latenciesMs[50] = 80;
    expect(judgeRound(round({ latenciesMs }))).toBeNull();
    latenciesMs[51] = 80;
    expect(judgeRound(round({ latenciesMs }))).toBe("p99 80 ms");
  });

  test("not when calls wait ever longer, though each is still quick", () => {
    const latenciesMs = Float64Array.from({ length: 100 }, (_, index) => 1 + index * 0.3);
    expect(judgeRound(round({ latenciesMs }))).toMatch(/^a growing backlog: 3\.\d ms, then 2\d\.\d ms$/);
  });

  test("not when the generator could not keep its own times", () => {
    const lagsMs = new Float64Array(100).fill(30);
    expect(judgeRound(round({ lagsMs }))).toBe("the generator itself was late: p99 30 ms");
  });
});

test("a rate is hopeless when the backlog takes long to drain, or most calls are lost or wait for a second", () => {
  expect(isHopeless(round())).toBe(false);
  expect(isHopeless(round({ drainMs: 1_500 }))).toBe(true);
  expect(isHopeless(round({ latenciesMs: new Float64Array(40).fill(2) }))).toBe(true);
  expect(isHopeless(round({ latenciesMs: new Float64Array(100).fill(1_200) }))).toBe(true);
});
