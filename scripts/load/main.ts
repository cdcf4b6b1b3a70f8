import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Deployment } from "@tac/protocol";
import pc from "picocolors";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { startGenerator } from "../bench/generator/startGenerator.ts";
import { describeMachine } from "../bench/measure/machine.ts";
import { shots } from "../bench/subjects/shots.ts";
import { type OpenStack, openStack } from "../demo/openStack.ts";
import { auditAtRest, problemsOf } from "../spending/audit.ts";
import { fundGas } from "../stack/chain.ts";
import { repositoryDir } from "../stack/layout.ts";
import { databaseUrl } from "../stack/postgres.ts";
import { showProgress as progress } from "../stack/progress.ts";
import { fundTenant } from "../stack/seed.ts";
import { urlOf } from "../stack/urlOf.ts";
import { type Minute, runMinutes } from "./runMinutes.ts";
import { type LoadSettings, readSettings } from "./settings.ts";

/** A million dollars, in units of an asset with six decimals. */
const TENANT_ASSETS = 1_000_000_000_000n;

const showMinute = ({ minute, answered, rate, latencyMs, failures, memory }: Minute): void => {
  const times = latencyMs
    ? `p50 ${latencyMs.p50.toFixed(1)}  p95 ${latencyMs.p95.toFixed(1)}  p99 ${latencyMs.p99.toFixed(1)} ms`
    : "no answer";
  const failed = Object.entries(failures).map(([outcome, count]) => `${count} x ${outcome}`);
  console.log(
    `  ${String(minute).padStart(3)}  ${answered} answered, ${rate.toFixed(0)}/s  ${times}  ` +
      `gateway ${memory.gatewayMiB} MiB  ${failed.length === 0 ? "" : pc.yellow(failed.join(", "))}`,
  );
};

/** The books of all jobs at rest, and whether they agree with what the callers got. */
const audit = async (stack: OpenStack, jobIds: readonly `0x${string}`[], minutes: readonly Minute[]) => {
  const books = { databaseUrl: (name: string) => databaseUrl(stack.layout, name) };
  const jobs = await Promise.all(jobIds.map((jobId) => auditAtRest(books, jobId)));
  const problems = jobs.flatMap(problemsOf);
  const sum = (of: (one: { answered: number; sent: number }) => number): number =>
    minutes.reduce((total, one) => total + of(one), 0);
  const charged = jobs.reduce((total, one) => total + one.charged, 0);
  const answered = sum((one) => one.answered);
  const sent = sum((one) => one.sent);
  if (answered > charged) problems.push(`${answered} calls were answered, ${charged} were charged`);
  if (charged > sent) problems.push(`${sent} calls were sent, ${charged} were charged`);
  return { jobs, problems, charged, answered, sent };
};

const load = async (stack: OpenStack, settings: LoadSettings) => {
  const tenantPrivateKey = generatePrivateKey();
  const tenant = privateKeyToAccount(tenantPrivateKey);
  await progress("a tenant deposits", async () => {
    await fundGas(stack.client, [tenant.address]);
    await fundTenant(stack.client, stack.deployment, tenant, TENANT_ASSETS);
  });
  const generator = startGenerator();
  const jobIds = await progress(`${settings.jobs} jobs are locked`, () =>
    generator.open("gateway", {
      kind: "gateway",
      origin: urlOf(stack.layout, "gateway"),
      ca: stack.ca,
      deployment: Deployment.toJson(stack.deployment),
      tenantPrivateKey,
      jobCount: settings.jobs,
      ...shots({}),
    }),
  );
  console.log(`\n${settings.rate} calls a second for ${settings.minutes} minutes\n`);
  const minutes = await runMinutes(generator, stack.layout, settings, showMinute);
  await generator.close();
  const books = await progress("audit of the books", () => audit(stack, jobIds, minutes));
  return { machine: describeMachine(), settings, minutes, ...books };
};

const settings = readSettings(process.argv);
let stack: OpenStack | undefined;
try {
  stack = await openStack(progress, Number(process.env.PORT_OFFSET ?? "0"));
  const results = await load(stack, settings);
  const { sent, answered, charged, jobs, problems } = results;
  console.log(`\n${sent} calls sent, ${answered} answered, ${charged} charged in ${jobs.length} jobs.`);
  for (const problem of problems) console.error(pc.red(`✗ ${problem}`));
  if (problems.length === 0)
    console.log(pc.green("Nothing is held, nothing is overspent, and receipts, calls and balances agree."));
  const file = join(repositoryDir, ".local", "load.json");
  mkdirSync(join(repositoryDir, ".local"), { recursive: true });
  writeFileSync(
    file,
    `${JSON.stringify(results, (_, value) => (typeof value === "bigint" ? value.toString() : value), 2)}\n`,
  );
  console.log(file);
  process.exitCode = problems.length === 0 ? 0 : 1;
} catch (error) {
  console.error(pc.red(`\nThe load run failed. ${error instanceof Error ? error.message : String(error)}`));
  process.exitCode = 1;
} finally {
  await stack?.close();
}
