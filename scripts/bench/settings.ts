import { join } from "node:path";
import { Command, InvalidArgumentError } from "commander";
import { repositoryDir } from "../stack/layout.ts";

export const subjectNames = [
  "direct",
  "gateway",
  "gateway-plain",
  "nginx",
  "portkey",
  "litellm",
  "litellm-budget",
] as const;
export type SubjectName = (typeof subjectNames)[number];

export const probeNames = ["verify", "ledger", "growth", "streams"] as const;
export type ProbeName = (typeof probeNames)[number];

export type Settings = {
  /** Who is measured; `direct` always is, because everything is compared with it. */
  only: readonly SubjectName[];
  /** What is measured besides the rounds. */
  probes: readonly ProbeName[];
  /** Calls per second, rising. */
  rates: readonly number[];
  rounds: number;
  /** Rounds of the rate at which gateways are compared: a p95 of few calls is mostly chance. */
  comparedRounds: number;
  /** Counted seconds of a round. */
  seconds: number;
  warmUpSeconds: number;
  /** Jobs that our gateway's calls are spread over. */
  jobs: number;
  /** Profiles our gateway's process; its figures are then not comparable. */
  profile: boolean;
  /** Where results.json and results.md go. */
  out: string;
};

/** Where the bench keeps what it installs and writes. */
export const benchDir = join(repositoryDir, ".local", "bench");

/** Every kind of measure that the table in the repository shows; anything less goes elsewhere. */
const defaults = {
  rates: [50, 100, 200, 500, 1000, 2000, 4000],
  rounds: 3,
  comparedRounds: 12,
  seconds: 2.5,
  warmUpSeconds: 0.5,
  jobs: 4,
};

/** Calls per second at which our gateway's added p95 has to be below that of others. */
export const COMPARED_RATE = 100;

/** There, a round that loses more than this part of the machine's time to its host shows the host. */
export const MAX_STOLEN = 0.02;

export const roundsAt = (rate: number, { rounds, comparedRounds }: Settings): number =>
  rate === COMPARED_RATE ? comparedRounds : rounds;

/** Calls that each subject answers before the first round: a server that has just started is another one. */
export const trainingPlan = { rate: 200, warmUpSeconds: 0, seconds: 10 };

const numbers = (text: string): number[] => {
  const values = text.split(/[\s,]+/).map(Number);
  if (values.some((value) => !(value > 0))) throw new InvalidArgumentError("numbers above zero are wanted");
  return values.sort((a, b) => a - b);
};

const namesOf =
  <Name extends string>(known: readonly Name[]) =>
  (text: string): Name[] => {
    const names = text.split(/[\s,]+/).filter((name) => name !== "" && name !== "none");
    const unknown = names.filter((name) => !known.some((other) => other === name));
    if (unknown.length > 0)
      throw new InvalidArgumentError(`unknown: ${unknown.join(", ")}; known: ${known.join(", ")}`);
    return known.filter((name) => names.includes(name));
  };

const number = (text: string): number => numbers(text)[0] ?? Number.NaN;

/** Reads the command line. A run that leaves something out does not replace the table in the repository. */
export const readSettings = (argv: readonly string[]): Settings => {
  const program = new Command("bench")
    .description("latency, capacity and cost of a call through this gateway and others, in one run")
    .option("--only <names>", `of ${subjectNames.join(", ")}`, namesOf(subjectNames))
    .option("--probes <names>", `of ${probeNames.join(", ")}, or none`, namesOf(probeNames))
    .option("--rates <numbers>", "calls per second, separated by commas", numbers)
    .option("--rounds <number>", "rounds of each rate", number)
    .option("--seconds <number>", "counted seconds of a round", number)
    .option("--jobs <number>", "jobs that the gateway's calls are spread over", number)
    .option("--profile", "write a CPU profile of the gateway")
    .option("--out <folder>", "where results.json and results.md go")
    .parse([...argv]);
  const given = program.opts<Partial<Omit<Settings, "warmUpSeconds" | "comparedRounds">>>();
  const { only, probes, out, profile = false, ...measures } = given;
  const isWhole = Object.keys(given).length === 0;
  return {
    ...defaults,
    ...measures,
    comparedRounds: given.rounds ?? defaults.comparedRounds,
    profile,
    only: only ?? subjectNames,
    probes: probes ?? (only === undefined ? probeNames : []),
    out: out ?? (isWhole ? join(repositoryDir, "docs", "benchmarks") : benchDir),
  };
};
