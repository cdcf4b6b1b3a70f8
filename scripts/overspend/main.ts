// Tries to overspend, and prints what happened in figures: `make overspend`. A nanocredit too many ends it with an error.
import { join } from "node:path";
import pc from "picocolors";
import { overspendOf } from "../spending/audit.ts";
import { repositoryDir } from "../stack/layout.ts";
import type { Command } from "../stack/processes.ts";
import { showProgress } from "../stack/progress.ts";
import type { Stack } from "../stack/Stack.ts";
import { startOwnStack } from "../stack/start.ts";
import { startFleet } from "./Fleet.ts";
import { openHarness } from "./Harness.ts";
import { duplicates } from "./phases/duplicates.ts";
import { firstRequests } from "./phases/firstRequests.ts";
import { litellm } from "./phases/litellm.ts";
import type { PhaseReport } from "./phases/Phase.ts";
import { settlement } from "./phases/settlement.ts";
import { storm } from "./phases/storm.ts";
import { settings } from "./settings.ts";

const print = ({ name, figures, problems }: PhaseReport): void => {
  console.log(`\n${pc.bold(name)}`);
  for (const [label, value] of figures) console.log(`  ${label.padEnd(44)} ${String(value).padStart(12)}`);
  for (const problem of problems) console.log(`  ${pc.red(problem)}`);
};

/** A provider may be silent for less than usual, and nobody is slowed down for asking often. */
const gatewayCommand = (stack: Stack): Command => {
  const command = stack.command("gateway");
  const hurried = {
    UPSTREAM_TIMEOUT_MS: "45000",
    RATE_LIMIT_IP_PER_MINUTE: "100000000",
    RATE_LIMIT_JOB_PER_MINUTE: "100000000",
    RATE_LIMIT_QUOTES_PER_MINUTE: "100000000",
  };
  return { ...command, env: { ...command.env, ...hurried } };
};

const absent = (error: Error): PhaseReport => ({
  name: "LiteLLM is not compared, for it cannot be run here",
  figures: [],
  jobs: [],
  problems: [error.message],
});

const dir = join(repositoryDir, ".local", "overspend");
const stack = await startOwnStack(dir, showProgress);
const fleet = await startFleet(stack, gatewayCommand(stack), settings.replicas);
try {
  const harness = await openHarness(stack, fleet);
  const reports: PhaseReport[] = [];
  const run = async (phase: Promise<PhaseReport>): Promise<void> => {
    const report = await phase;
    reports.push(report);
    print(report);
  };
  await run(firstRequests(harness, settings.firstRequests));
  await run(duplicates(harness, settings.duplicates));
  await run(storm(harness, settings.storm));
  await run(settlement(harness));
  if (settings.compares) {
    print(await litellm(settings.firstRequests).catch((error: Error) => absent(error)));
  }
  await harness.close();

  // The last phase of ours looks at every job once more.
  const jobs = reports.at(-1)?.jobs ?? [];
  const overspendNano = jobs.reduce((sum, job) => sum + overspendOf(job), 0n);
  const problems = reports.flatMap((report) => report.problems);
  console.log(`\n${pc.bold("In all")}`);
  console.log(`  ${"jobs".padEnd(44)} ${String(jobs.length).padStart(12)}`);
  console.log(`  ${"overspend, in nanocredits".padEnd(44)} ${String(overspendNano).padStart(12)}`);
  console.log(`  ${"contradictions".padEnd(44)} ${String(problems.length).padStart(12)}`);
  process.exitCode = problems.length === 0 ? 0 : 1;
} finally {
  await fleet.stop();
  await stack.stop();
}
