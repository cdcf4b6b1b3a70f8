// Changes the contracts one small thing at a time and asks whether any test notices:
// `mutate.ts [--fresh] [FILE...]`. See docs/testing.md.
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { foundryBinary } from "../foundryBinary.ts";
import { type Judgement, judgeAlone, judgeSwitched } from "./mutation/judge.ts";
import type { Mutant } from "./mutation/Mutant.ts";
import { mutantsOf } from "./mutation/mutantsOf.ts";
import * as Report from "./mutation/report.ts";
import * as Schema from "./mutation/Schema.ts";
import * as Workspaces from "./mutation/Workspace.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    /** Forgets what an earlier run found out. */
    fresh: { type: "boolean", default: false },
  },
});

const root = join(import.meta.dirname, "../..");
const folder = join(root, "contracts/mutation");
const reportPath = join(folder, "report.json");
mkdirSync(folder, { recursive: true });

const scratch = mkdtempSync(join(tmpdir(), "mutate-"));
process.on("exit", () => rmSync(scratch, { recursive: true, force: true }));
process.on("SIGINT", () => process.exit(130));
process.on("SIGTERM", () => process.exit(143));

const forge = foundryBinary("forge");
// All at once, so that one who writes tests meanwhile does not change what this run judges with.
const schema = Workspaces.create(root, join(scratch, "schema"), forge);
const plains = Array.from({ length: availableParallelism() }, (_, index) =>
  Workspaces.create(root, join(scratch, `plain-${index}`), forge),
);
const trees = await Workspaces.asts(schema);
const population = [...trees].flatMap(([file, ast]) => mutantsOf(file, readFileSync(join(root, file)), ast));

const earlier = values.fresh ? [] : (Report.read(reportPath)?.results ?? []);
const current = new Set(population.map(({ id }) => id));
const known = new Map(earlier.filter(({ id }) => current.has(id)).map((result) => [result.id, result]));
// A mutant that nothing noticed is tried again, since new tests are what a survivor asks for.
// By id, which is a hash, so that what a run has judged when it ends early is a random sample of all.
const queue = population
  .filter(
    ({ id, file }) =>
      (positionals.length === 0 || positionals.some((part) => file.includes(part))) &&
      (known.get(id)?.verdict ?? "survived") === "survived",
  )
  .sort((left, right) => (left.id < right.id ? -1 : 1));
console.log(`${population.length} mutants, ${queue.length} to be judged.`);

const save = (): Report.Report => {
  const results = Report.explain(join(folder, "equivalent.json"), [...known.values()]);
  const report = { population: population.length, results };
  Report.write(reportPath, report);
  return report;
};

const record = (mutant: Mutant, { verdict, noticedBy }: Judgement): void => {
  const { id, file, line, operator, before, after } = mutant;
  const result = { id, file, line, operator, before, after, verdict };
  known.set(id, noticedBy === "" ? result : { ...result, noticedBy });
  save();
  console.log(
    `${verdict.padEnd(10)} ${file}:${line} (${operator})${noticedBy === "" ? "" : ` by ${noticedBy}`}`,
  );
  if (verdict === "survived") console.log(`  - ${before}\n  + ${after}`);
};

if (queue.length > 0) {
  const numbers = await Schema.build(schema, trees, queue);
  console.log(`${numbers.size} are compiled together, ${queue.length - numbers.size} one by one.`);
  await Workspaces.mustRun(schema, ["test"], "The tests fail without any mutant:");

  const survived = ({ id }: Mutant): boolean => known.get(id)?.verdict === "survived";
  const together = queue.filter(({ id }) => numbers.has(id));
  // The quick part first; what it leaves alive counts as that until the whole suite has been asked.
  for (const scope of ["own", "all"] as const) {
    for (const mutant of scope === "own" ? together : together.filter(survived)) {
      record(mutant, await judgeSwitched(schema, mutant, scope, numbers.get(mutant.id) ?? 0));
    }
  }
  // What a person has explained needs no compiler to say so.
  const explained = new Set(
    Report.explain(join(folder, "equivalent.json"), [...known.values()])
      .filter(({ reason }) => reason !== undefined)
      .map(({ id }) => id),
  );
  // The compiler has one thread, and takes most of the time of these: less where the file changed last is the same one.
  const alone = queue
    .filter((queued) => !numbers.has(queued.id) || (survived(queued) && !explained.has(queued.id)))
    .sort((left, right) => left.file.localeCompare(right.file));
  const judgeRest = async (workspace: Workspaces.Workspace): Promise<void> => {
    await Workspaces.mustRun(workspace, ["build"], "The project does not compile:");
    const originalDigest = Workspaces.codeDigest(workspace);
    for (let mutant = alone.shift(); mutant !== undefined; mutant = alone.shift()) {
      record(mutant, await judgeAlone(workspace, mutant, originalDigest, numbers.has(mutant.id)));
    }
  };
  await Promise.all(plains.map(judgeRest));
}

const report = save();
const summary = Report.table(report);
Report.publish(join(root, "docs/testing.md"), "mutation", summary);
console.log(`\n${summary}`);
