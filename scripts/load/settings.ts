import { Command } from "commander";

export type LoadSettings = {
  minutes: number;
  /** Calls per second. */
  rate: number;
  jobs: number;
};

const positive = (text: string): number => {
  const value = Number(text);
  if (!(value > 0)) throw new Error(`${text} is not a number above zero.`);
  return value;
};

export const readSettings = (argv: readonly string[]): LoadSettings =>
  new Command("load")
    .description("a soak of the running stack at a fixed rate, and an audit of its books")
    .option("--minutes <number>", "how long", positive, 10)
    .option("--rate <number>", "calls per second", positive, 100)
    .option("--jobs <number>", "jobs that the calls are spread over", positive, 4)
    .parse([...argv])
    .opts<LoadSettings>();
