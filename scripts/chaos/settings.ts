import { Command, InvalidArgumentError } from "commander";

export type ChaosSettings = {
  /** Names of phases; all of them when empty. */
  phases: readonly string[];
  /** How long a usual fault lasts; others are multiples of it. */
  seconds: number;
  /** Calls per second. */
  rate: number;
  jobs: number;
  /** Folder of the report; `docs/benchmarks` for a whole run, `.local/chaos` for a part, when absent. */
  out?: string;
};

const positive = (text: string): number => {
  const value = Number(text);
  if (!(value > 0)) throw new InvalidArgumentError("It is a number above zero.");
  return value;
};

const list = (text: string): string[] => text.split(",").map((name) => name.trim());

export const readSettings = (argv: readonly string[]): ChaosSettings =>
  new Command("chaos")
    .description("the whole stack under load while its parts are killed, paused and cut off, and an audit")
    .option("--phases <names>", "only these, separated by commas", list, [])
    .option("--seconds <number>", "how long a usual fault lasts", positive, 12)
    .option("--rate <number>", "calls per second", positive, 20)
    .option("--jobs <number>", "jobs that the calls are spread over", positive, 4)
    .option("--out <folder>", "where the report goes")
    .parse([...argv])
    .opts<ChaosSettings>();
