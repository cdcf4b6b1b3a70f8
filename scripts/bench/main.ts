import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import pg from "pg";
import pc from "picocolors";
import { showProgress as progress, seconds } from "../stack/progress.ts";
import { type BenchStack, startBenchStack } from "./benchStack.ts";
import { type Generator, startGenerator } from "./generator/startGenerator.ts";
import { holdingRule } from "./judgeRound.ts";
import type { Measure } from "./Measure.ts";
import { describeMachine } from "./measure/machine.ts";
import { measureRates } from "./measureRates.ts";
import { probeGrowth } from "./probes/growth.ts";
import { runScript } from "./probes/runScript.ts";
import { probeStreams } from "./probes/streams.ts";
import type { FailedProbe, Results } from "./Results.ts";
import { toMarkdown } from "./report/toMarkdown.ts";
import { benchDir, type ProbeName, readSettings, type Settings, trainingPlan } from "./settings.ts";
import type { Subject } from "./subjects/Subject.ts";
import { createPeers, stopPeers } from "./subjects/startPeer.ts";
import { startSubjects } from "./subjects/startSubjects.ts";

const showMeasure = ({ subject, rate, latencyMs, addedMs, cpuUsPerCall, fellBehind }: Measure): void => {
  const plus = addedMs ? `added ${addedMs.p50.toFixed(2)} / ${addedMs.p95.toFixed(2)} ms` : "";
  const times = latencyMs ? `p50 ${latencyMs.p50.toFixed(2)}  p95 ${latencyMs.p95.toFixed(2)}` : "no answer";
  const cost = cpuUsPerCall === null ? "" : `${cpuUsPerCall.toFixed(0)} us/call`;
  const verdict = fellBehind === null ? "" : pc.yellow(fellBehind);
  console.log(`  ${String(rate).padStart(5)}/s ${subject.padEnd(15)} ${times}  ${plus}  ${cost}  ${verdict}`);
};

const describePostgres = async (url: string): Promise<Results["postgres"]> => {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const show = async (name: string): Promise<string> => {
      const { rows } = await client.query<Record<string, string>>(`SHOW ${name}`);
      return rows[0]?.[name] ?? "";
    };
    return {
      version: `PostgreSQL ${await show("server_version")}`,
      fsync: await show("fsync"),
      synchronousCommit: await show("synchronous_commit"),
    };
  } finally {
    await client.end();
  }
};

type Probes = Pick<Results, "verify" | "provider" | "growth" | "streams" | "ledger">;

const linesOf = (text: string): string[] => text.trimEnd().split("\n");

/** Runs what was asked for besides the rounds. What needs both cores for itself comes last, with the load stopped. */
const probe = async (
  settings: Settings,
  generator: Generator,
  stack: BenchStack,
  subjects: readonly Subject[],
): Promise<{ found: Probes; failed: FailedProbe[] }> => {
  const found: Probes = {};
  const gateway = subjects.find(({ name }) => name === "gateway");
  const steps: Record<ProbeName, () => Promise<void>> = {
    verify: async () => {
      found.verify = JSON.parse(await runScript("scripts/bench/probes/verify.ts"));
      found.provider = linesOf(await runScript("sdks/verifier/bench/verify.ts"));
    },
    growth: async () => {
      if (gateway) found.growth = await probeGrowth(generator, stack, gateway, settings);
    },
    streams: async () => {
      found.streams = [];
      for (const subject of subjects)
        if (subject.name !== "direct") found.streams.push(await probeStreams(generator, subject));
    },
    ledger: async () => {
      found.ledger = linesOf(await runScript("services/gateway/bench/ledger.ts", "4"));
    },
  };
  const failed: FailedProbe[] = [];
  for (const name of ["growth", "streams", "verify", "ledger"] as const)
    if (settings.probes.includes(name))
      await progress(`probe: ${name}`, steps[name]).catch((error: Error) =>
        failed.push({ name, reason: error.message.split("\n")[0] ?? "" }),
      );
  return { found, failed };
};

const bench = async (settings: Settings): Promise<Results> => {
  const machine = describeMachine();
  const profileArgs = settings.profile ? ["--cpu-prof", `--cpu-prof-dir=${join(benchDir, "profiles")}`] : [];
  const stack = await startBenchStack(progress, profileArgs);
  const peers = createPeers(stack.layout.logsDir);
  const generator = startGenerator();
  try {
    const postgres = await describePostgres(stack.postgres.url);
    const { subjects, absent } = await startSubjects(stack, peers, settings, progress);
    for (const { name, target } of subjects)
      await progress(`${name}: connections, jobs and first calls`, async () => {
        await generator.open(name, target);
        await generator.run(name, trainingPlan, () => undefined);
      });
    console.log();
    const measures = await measureRates({ generator, stack, subjects, settings }, showMeasure);
    const probes = await probe(settings, generator, stack, subjects);
    await generator.close();
    const { rates, rounds, comparedRounds, seconds: roundSeconds, warmUpSeconds, jobs, profile } = settings;
    return {
      machine,
      settings: { rates, rounds, comparedRounds, seconds: roundSeconds, warmUpSeconds, jobs, profile },
      postgres,
      holdingRule,
      subjects: subjects.map(({ name, version, does }) => ({ name, version, does })),
      absent: [...absent, ...probes.failed],
      measures,
      ...probes.found,
    };
  } finally {
    await stopPeers(peers);
    await stack.stop();
  }
};

const startedAt = Date.now();
const settings = readSettings(process.argv);
try {
  const results = await bench(settings);
  mkdirSync(settings.out, { recursive: true });
  writeFileSync(join(settings.out, "results.json"), `${JSON.stringify(results, null, 2)}\n`);
  writeFileSync(join(settings.out, "results.md"), toMarkdown(results));
  console.log(`\n${join(settings.out, "results.md")}, after ${seconds(Date.now() - startedAt)}`);
} catch (error) {
  console.error(pc.red(`\nThe bench failed. ${error instanceof Error ? error.stack : String(error)}`));
  process.exitCode = 1;
}
