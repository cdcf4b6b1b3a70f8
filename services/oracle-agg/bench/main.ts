import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { availableParallelism, cpus, loadavg, totalmem } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import type { BatchResult, MerkleResult, ValidationResult } from "./meter.ts";
import { report } from "./report.ts";

/**
 * What one replica can do: `make bench-aggregator`. Every case has a process and a PostgreSQL of its own, one after the
 * other. `--beside <checkout>` measures the validation of another commit in between, so that both meet the same machine.
 */
const { values } = parseArgs({
  options: {
    receipts: { type: "string", default: "24000" },
    jobs: { type: "string", default: "200" },
    windows: { type: "string", default: "1000,10000,100000" },
    rounds: { type: "string", default: "3" },
    beside: { type: "string" },
    out: { type: "string", default: join(import.meta.dirname, "..", "..", "..", "docs", "benchmarks") },
  },
});

const ours = join(import.meta.dirname, "..");

export type Results = {
  measuredAt: string;
  commit: string;
  beside: string | null;
  machine: { processor: string; processors: number; memoryGigabytes: number };
  versions: { node: string; postgres: string };
  /** One, five and fifteen minutes, before the first case and after the last. */
  load: { before: number[]; after: number[] };
  /** The best of all rounds by the clock, of each kind. */
  validation: (ValidationResult & { checkout: "this" | "beside" })[];
  batch: BatchResult[];
  merkle: MerkleResult;
};

const run = <Result>(script: string, ...parameters: string[]): Result => {
  console.error(`${script} ${parameters.join(" ")}`);
  const output = execFileSync(
    process.execPath,
    ["--import", "tsx", join(import.meta.dirname, script), ...parameters],
    { cwd: ours, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] },
  );
  return JSON.parse(output) as Result;
};

const git = (checkout: string): string =>
  execFileSync("git", ["-C", checkout, "log", "-1", "--format=%h %s"], { encoding: "utf8" }).trim();

const before = loadavg();
const checkouts = [
  ["this", ours] as const,
  ...(values.beside === undefined ? [] : [["beside", values.beside] as const]),
];
const validation: Results["validation"] = [];
for (let round = 0; round < Number(values.rounds); round += 1)
  for (const threads of [0, Math.max(1, availableParallelism() - 1)])
    for (const [checkout, source] of checkouts) {
      const measured = run<ValidationResult>(
        "validation.ts",
        values.receipts,
        values.jobs,
        String(threads),
        ...(checkout === "this" ? [] : [join(source, "services", "oracle-agg")]),
      );
      const place = validation.findIndex((one) => one.checkout === checkout && one.threads === threads);
      const best = validation[place];
      if (best === undefined) validation.push({ ...measured, checkout });
      else if (measured.seconds < best.seconds) validation[place] = { ...measured, checkout };
    }
const batch = values.windows.split(",").map((receipts) => run<BatchResult>("batch.ts", receipts));
const merkle = run<MerkleResult>("merkle.ts", "100000");

const results: Results = {
  measuredAt: new Date().toISOString(),
  commit: git(ours),
  beside: values.beside === undefined ? null : git(values.beside),
  machine: {
    processor: cpus()[0]?.model ?? "unknown",
    processors: availableParallelism(),
    memoryGigabytes: Math.round(totalmem() / 2 ** 30),
  },
  versions: { node: process.version, postgres: batch[0]?.postgresVersion ?? "" },
  load: { before, after: loadavg() },
  validation,
  batch,
  merkle,
};
writeFileSync(join(values.out, "aggregator.json"), `${JSON.stringify(results, null, 2)}\n`);
const text = report(results);
writeFileSync(join(values.out, "aggregator.md"), text);
console.log(text);
