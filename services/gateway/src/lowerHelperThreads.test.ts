import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";

const module = join(import.meta.dirname, "lowerHelperThreads.ts");

describe.runIf(process.platform === "linux")("helper threads", () => {
  test("come after the main thread, which stays as it was", async () => {
    const script = `
      import { readdirSync } from "node:fs";
      import { getPriority } from "node:os";
      import { lowerHelperThreads } from ${JSON.stringify(module)};
      const nicenessOf = () => Object.fromEntries(readdirSync("/proc/self/task").map((thread) => [thread, getPriority(Number(thread))]));
      const before = nicenessOf();
      lowerHelperThreads((error) => { throw error; });
      console.log(JSON.stringify({ pid: process.pid, before, after: nicenessOf() }));`;
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ["--import", "tsx", "--input-type=module", "--eval", script],
      { cwd: import.meta.dirname },
    );
    const { pid, before, after }: Record<"before" | "after", Record<string, number>> & { pid: number } =
      JSON.parse(stdout);
    const helpers = Object.keys(before).filter((thread) => Number(thread) !== pid);
    expect(helpers.length).toBeGreaterThan(0);
    expect(after[pid]).toBe(before[pid]);
    for (const thread of helpers) expect(after[thread]).toBe(Math.max(10, before[thread] ?? 0));
  });
});
