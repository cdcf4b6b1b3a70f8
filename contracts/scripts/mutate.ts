// Changes the contracts one small thing at a time and asks whether any test notices:
// `mutate.ts [--sample N] [--seed N] [--workers N] [--fresh] [FILE...]`. See docs/testing.md.
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { foundryBinary } from "../foundryBinary.ts";
import { judge } from "./mutation/judge.ts";
import type { Mutant } from "./mutation/Mutant.ts";
import { mutantsOf } from "./mutation/mutantsOf.ts";
import * as Report from "./mutation/report.ts";
import { sample } from "./mutation/sample.ts";
import * as Workspaces from "./mutation/Workspace.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    sample: { type: "string" },
    seed: { type: "string", default: "1" },
    workers: { type: "string", default: "2" },
    /** Forgets what an earlier run found out. */
    fresh: { type: "boolean", default: false },
  },
});

const root = join(import.meta.dirname, "../..");
const folder = join(root, "contracts/mutation");
const reportPath = join(folder, "report.json");
const seed = Number(values.seed);
mkdirSync(folder, { recursive: true });

const scratch = mkdtempSync(join(tmpdir(), "mutate-"));
process.on("exit", () => rmSync(scratch, { recursive: true, force: true }));
process.on("SIGINT", () => process.exit(130));
process.on("SIGTERM", () => process.exit(143));

const first = Workspaces.create(root, join(scratch, "0"), foundryBinary("forge"));
const trees = await Workspaces.asts(first);
const population = [...trees].flatMap(([file, ast]) => mutantsOf(file, readFileSync(join(root, file)), ast));
const wanted = population.filter(
  ({ file }) => positionals.length === 0 || positionals.some((part) => file.includes(part)),
);
const chosen = values.sample === undefined ? wanted : sample(wanted, Number(values.sample), seed);
const isChosen = new Set(chosen.map(({ id }) => id));

const earlier = values.fresh ? [] : (Report.read(reportPath)?.results ?? []);
const current = new Set(population.map(({ id }) => id));
const known = new Map(earlier.filter(({ id }) => current.has(id)).map((result) => [result.id, result]));
// A mutant that nothing noticed is tried again, since new tests are what a survivor asks for.
const queue = wanted.filter(({ id }) => {
  const result = known.get(id);
  return result === undefined ? isChosen.has(id) : result.verdict === "survived";
});
console.log(`${population.length} mutants, ${chosen.length} chosen, ${queue.length} to be judged.`);

const save = (): Report.Report => {
  const results = Report.explain(join(folder, "equivalent.json"), [...known.values()]);
  const report = { seed, sampleSize: chosen.length, population: population.length, results };
  Report.write(reportPath, report);
  return report;
};

const record = (mutant: Mutant, { verdict, noticedBy }: Awaited<ReturnType<typeof judge>>): void => {
  const { id, file, line, operator, before, after } = mutant;
  known.set(id, {
    id,
    file,
    line,
    operator,
    before,
    after,
    verdict,
    ...(noticedBy === "" ? {} : { noticedBy }),
  });
  save();
  const place = `${file}:${line}`;
  console.log(`${verdict.padEnd(10)} ${place} (${operator})${noticedBy === "" ? "" : ` by ${noticedBy}`}`);
  if (verdict === "survived") console.log(`  - ${before}\n  + ${after}`);
};

if (queue.length > 0) {
  const build = await Workspaces.run(first, ["build"], 900);
  if (build.outcome !== "passed") throw new Error(`The project does not compile:\n${build.output}`);
  const test = await Workspaces.run(first, ["test"], 900);
  if (test.outcome !== "passed") throw new Error(`The tests fail without any mutant:\n${test.output}`);
  const baseline = Workspaces.compiled(first, new Map());

  // Copies are made before the first mutant is, and each must compile to what the original did.
  const others = Array.from({ length: Number(values.workers) - 1 }, (_, index) =>
    Workspaces.clone(first, join(scratch, `${index + 1}`)),
  );
  for (const other of others) {
    const code = Workspaces.compiled(other, new Map());
    if (!Workspaces.isSameCode(code, baseline)) throw new Error("A copy differs from its original.");
  }
  // Each worker takes a file at a time, so that little is compiled anew. Libraries come last: tests hold them too.
  const files = [...new Set(queue.map(({ file }) => file))].sort(
    (left, right) => Number(left.includes("/libraries/")) - Number(right.includes("/libraries/")),
  );
  const workers = [first, ...others].map(async (workspace) => {
    for (let file = files.shift(); file !== undefined; file = files.shift()) {
      for (const mutant of queue.filter((queued) => queued.file === file)) {
        record(mutant, await judge(workspace, mutant, baseline));
      }
    }
  });
  await Promise.all(workers);
}

const report = save();
const summary = Report.table(report);
Report.publish(join(root, "docs/testing.md"), "mutation", summary);
console.log(`\n${summary}`);
