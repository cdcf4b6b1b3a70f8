// Makes each trouble of docs/RUNBOOKS.md on a stack of its own, under traffic, and runs the document's commands as they
// stand there: `make runbooks`. Ends with an error when a command fails, or the trouble is not over afterwards.
import { appendFileSync, readFileSync } from "node:fs";
import { join } from "node:path";
import pc from "picocolors";
import { repositoryDir } from "../stack/layout.ts";
import { seconds, showProgress } from "../stack/progress.ts";
import { startOwnStack } from "../stack/start.ts";
import { blocksOf } from "./blocks.ts";
import { everyRunbook } from "./everyRunbook.ts";
import { openScene, type Row } from "./openScene.ts";
import { startTraffic } from "./Traffic.ts";

const WIDTH = 66;

const print = ({ kind, name, tookMs, outcome, isGood }: Row): void => {
  const label = name.padEnd(WIDTH);
  const end = `${String(tookMs).padStart(7)} ms  ${outcome}`;
  console.log(
    `  ${isGood ? pc.green("✓") : pc.red("✗")} ${kind === "block" ? pc.cyan(label) : label} ${end}`,
  );
};

const names = process.argv.slice(2);
const chosen = everyRunbook.filter(({ name }) => names.length === 0 || names.includes(name));
if (chosen.length === 0) throw new Error(`Runbooks: ${everyRunbook.map(({ name }) => name).join("; ")}`);

const startedAt = Date.now();
const stackDir = join(".local", "runbooks");
const dir = join(repositoryDir, stackDir);
const stack = await startOwnStack(dir, showProgress);
const logFile = join(stack.layout.logsDir, "blocks.log");
try {
  const traffic = await startTraffic(stack);
  const failed: string[] = [];
  for (const { name, run } of chosen) {
    console.log(`\n${pc.bold(name)}`);
    const scene = openScene({
      stack,
      traffic,
      blocks: blocksOf(readFileSync(join(repositoryDir, "docs", "RUNBOOKS.md"), "utf8")),
      env: { STACK_DIR: stackDir, PORT_OFFSET: String(stack.layout.portOffset) },
      onRow: print,
      onText: (text) => appendFileSync(logFile, text, { mode: 0o600 }),
    });
    const failures = traffic.failures().length;
    const error = await run(scene).then(
      () => null,
      (problem: Error) => problem.message,
    );
    const lost = traffic.failures().slice(failures);
    for (const problem of [...(error === null ? [] : [error]), ...lost])
      console.log(`      ${pc.red(problem)}`);
    if (error !== null || lost.length > 0) failed.push(name);
  }
  await traffic.stop();
  const { length: unsettled } = traffic.failures();
  console.log(
    `\n${chosen.length - failed.length} of ${chosen.length} runbooks hold; ${traffic.settledCount()} jobs settled meanwhile, ${unsettled} failed; ${seconds(Date.now() - startedAt)}.`,
  );
  for (const problem of traffic.failures()) console.log(pc.red(problem));
  console.log(`What the blocks printed: ${logFile}`);
  process.exitCode = failed.length === 0 && unsettled === 0 ? 0 : 1;
} finally {
  await stack.stop();
}
