import { spawn } from "node:child_process";
import { once } from "node:events";
import { describe, expect, test } from "vitest";
import { concat, percentilesOf } from "./percentiles.ts";
import { usageOf } from "./processTree.ts";

describe("percentiles", () => {
  test("are values of the sample, by nearest rank", () => {
    const values = Float64Array.from({ length: 200 }, (_, index) => 200 - index);
    expect(percentilesOf(values)).toEqual({ p50: 100, p95: 190, p99: 198, max: 200 });
    expect(percentilesOf(Float64Array.of(7))).toEqual({ p50: 7, p95: 7, p99: 7, max: 7 });
  });

  test("of nothing are not a number, and the sample stays as it was", () => {
    expect(percentilesOf(new Float64Array()).p50).toBeNaN();
    const values = Float64Array.of(3, 1, 2);
    percentilesOf(values);
    expect([...values]).toEqual([3, 1, 2]);
    expect([...concat([values, Float64Array.of(9)])]).toEqual([3, 1, 2, 9]);
  });
});

describe.runIf(process.platform === "linux")("a process tree", () => {
  test("counts what its descendants use, also those that have ended", async () => {
    const work = "const end = Date.now() + 300; while (Date.now() < end);";
    const grandchild = `require("node:child_process").spawnSync(process.execPath, ["-e", ${JSON.stringify(work)}]);`;
    const child = spawn(process.execPath, [
      "-e",
      `${grandchild} setTimeout(() => {}, 10_000); console.log("ready")`,
    ]);
    try {
      await once(child.stdout, "data");
      const { cpuMs, residentBytes } = usageOf([child.pid ?? 0]);
      expect(cpuMs).toBeGreaterThan(100);
      expect(residentBytes).toBeGreaterThan(10 * 2 ** 20);
    } finally {
      child.kill("SIGKILL");
    }
  });

  test("that is not there uses nothing", () => {
    expect(usageOf([2 ** 30])).toEqual({ cpuMs: 0, residentBytes: 0 });
  });
});
