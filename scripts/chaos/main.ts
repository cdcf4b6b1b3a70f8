// The whole stack under load while its parts are killed, paused and cut off in turn: `make chaos`. Any contradiction in
// what was settled ends it with an error.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import pc from "picocolors";
import { describeMachine } from "../bench/measure/machine.ts";
import { auditAtRest } from "../spending/audit.ts";
import { aggregatorIds, repositoryDir } from "../stack/layout.ts";
import { showProgress } from "../stack/progress.ts";
import type { Stack } from "../stack/Stack.ts";
import { startOwnStack } from "../stack/start.ts";
import { type BlockWatch, watchBlocks } from "./BlockWatch.ts";
import { readFed, readServed, readSettled } from "./books.ts";
import { judge, type Records, type Verdict } from "./judge.ts";
import { type Load, startLoad } from "./Load.ts";
import { openNetwork } from "./Network.ts";
import { phasesOf } from "./phases.ts";
import { type PhaseRun, runPhase } from "./runPhase.ts";
import { readComplaints } from "./Scene.ts";
import { type ChaosSettings, readSettings } from "./settings.ts";
import { type Results, toMarkdown } from "./toMarkdown.ts";

const collect = async (
  stack: Stack,
  watch: BlockWatch,
  load: Load,
  phases: readonly PhaseRun[],
): Promise<Records> => {
  const audits = await Promise.all(load.jobIds.map((jobId) => auditAtRest(stack, jobId)));
  const { batches, lines } = await readSettled(stack, watch);
  const served = await readServed(stack, batches);
  const complaints = await Promise.all(aggregatorIds.map((id) => readComplaints(stack, id)));
  return {
    phases,
    calls: load.calls(),
    fed: await readFed(stack),
    batches,
    seenBatches: watch.batches(),
    served,
    lines,
    audits,
    misdeeds: complaints.flatMap(({ misdeeds }) => misdeeds),
    rejections: complaints.flatMap(({ rejections }) => rejections),
  };
};

const show = ({ phases, totals, problems }: Verdict): void => {
  for (const { name, receiptsIn, receiptsSettled, duplicates, latencyMs } of phases) {
    const times = latencyMs
      ? `p50 ${(latencyMs.p50 / 1_000).toFixed(1)}  p95 ${(latencyMs.p95 / 1_000).toFixed(1)}  max ${(latencyMs.max / 1_000).toFixed(1)} s`
      : "no receipts";
    console.log(
      `  ${name.padEnd(18)} ${receiptsIn} in, ${receiptsSettled} settled, ${duplicates} twice  ${times}`,
    );
  }
  console.log(
    `\n${totals.receiptsIn} receipts in, ${totals.receiptsSettled} settled in ${totals.batches} batches, ${totals.duplicates} twice;` +
      ` ${totals.chargedNano} nanocredits charged, ${totals.paidNano} paid.`,
  );
  for (const problem of problems) console.error(pc.red(`✗ ${problem}`));
  if (problems.length === 0)
    console.log(pc.green("Nothing was lost, nothing settled twice, and the books agree."));
};

const write = (results: Results, { out, phases }: ChaosSettings): void => {
  const isWhole = phases.length === 0;
  const folder =
    out ?? (isWhole ? join(repositoryDir, "docs", "benchmarks") : join(repositoryDir, ".local", "chaos"));
  mkdirSync(folder, { recursive: true });
  const json = JSON.stringify(
    results,
    (_, value: unknown) => (typeof value === "bigint" ? value.toString() : value),
    2,
  );
  writeFileSync(join(folder, "chaos.json"), `${json}\n`);
  writeFileSync(join(folder, "chaos.md"), toMarkdown(results));
  console.log(join(folder, "chaos.md"));
};

const settings = readSettings(process.argv);
const phases = phasesOf(settings.phases);
const machine = describeMachine();
const dir = join(repositoryDir, ".local", "chaos", "stack");
const stack = await startOwnStack(dir, showProgress);
try {
  const network = await showProgress("links between the replicas", () => openNetwork(stack));
  const watch = await watchBlocks(stack);
  const load = await showProgress("jobs are locked, calls begin", () => startLoad(stack, settings));
  const startedAt = Date.now();
  const runs: PhaseRun[] = [];
  for (const phase of phases)
    runs.push(await showProgress(phase.name, () => runPhase({ stack, network }, phase, settings.seconds)));
  await load.stop();
  const seconds = (Date.now() - startedAt) / 1_000;
  const settling = showProgress("the jobs are closed and settle", () => load.settle());
  // What did not settle is the audit's to say, with all else that it finds.
  const unsettled = await settling.then(
    () => [],
    (error: Error) => [`the jobs did not settle: ${error.message}`],
  );
  const records = await showProgress("audit", () => collect(stack, watch, load, runs));
  const verdict = judge(records);
  verdict.problems.unshift(...unsettled);
  show(verdict);
  write({ ...verdict, machine, settings, seconds, orphaned: await watch.orphaned() }, settings);
  process.exitCode = verdict.problems.length === 0 ? 0 : 1;
  await load.close();
  await watch.stop();
  await network.close();
} finally {
  await stack.stop();
}
