import { fetchJson } from "@tac/kit";
import type { Command } from "commander";
import { z } from "zod";
import { openCommandTls } from "../commandTls.ts";
import { loadAggregatorSet } from "../keys/AggregatorSet.ts";

const statusSchema = z.looseObject({
  replica: z.number(),
  state: z.string(),
  laneEpoch: z.number().nullable(),
  keyEpochs: z.array(z.number()),
  receiptLagMs: z.number().optional(),
  misbehaved: z.array(z.looseObject({ replica: z.number(), guilt: z.string() })).optional(),
});

type Unreachable = { replica: number; state: "unreachable"; problem: string };
export type SeenStatus = z.infer<typeof statusSchema> | Unreachable;

const isUnreachable = (status: SeenStatus): status is Unreachable => "problem" in status;

/** One line of `status --brief`: what an operator looks at first. A replica without a key has neither lag nor opinion of others. */
export const briefLine = (status: SeenStatus): string => {
  if (isUnreachable(status)) return `replica ${status.replica} unreachable: ${status.problem}`;
  const { replica, state, laneEpoch, keyEpochs, receiptLagMs, misbehaved = [] } = status;
  const named = [...new Set(misbehaved.map((one) => `${one.replica} (${one.guilt})`))];
  return [
    `replica ${replica} ${state}`,
    `lane in epoch ${laneEpoch ?? "?"}`,
    `shares of ${keyEpochs.join(" ") || "none"}`,
    `lag ${receiptLagMs ?? "?"} ms`,
    `misbehaved: ${named.join(", ") || "nobody"}`,
  ].join(", ");
};

/** Adds `status`, which asks every replica of a set and ends with 1 unless all run. */
export const addStatusCommand = (program: Command): void => {
  program
    .command("status")
    .description("Show how far each replica is.")
    .requiredOption("--aggregators-file <file>", "the file every replica has as AGGREGATORS_FILE")
    .option("--brief", "one line for each replica")
    .action(async ({ aggregatorsFile, brief = false }: { aggregatorsFile: string; brief?: boolean }) => {
      const { replicas } = loadAggregatorSet(aggregatorsFile);
      const dispatcherOf = openCommandTls();
      const statuses = await Promise.all(
        replicas.map(async (entry): Promise<SeenStatus> => {
          const dispatcher = dispatcherOf(entry);
          try {
            return await fetchJson(new URL("/v1/status", entry.url).href, {
              schema: statusSchema,
              ...(dispatcher === undefined ? {} : { dispatcher }),
            });
          } catch (error) {
            const problem = error instanceof Error ? error.message : String(error);
            return { replica: entry.id, state: "unreachable", problem };
          }
        }),
      );
      const shown = brief ? statuses.map(briefLine).join("\n") : JSON.stringify(statuses, null, 2);
      process.stdout.write(`${shown}\n`);
      if (statuses.some(({ state }) => state !== "running")) process.exitCode = 1;
    });
};
