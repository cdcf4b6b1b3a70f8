import { createPool, fetchJson } from "@tac/kit";
import { Wire } from "@tac/protocol";
import { Command } from "commander";
import { z } from "zod";
import { addKeyCommands } from "./commands/keyCommands.ts";
import { openCommandTls } from "./commandTls.ts";
import { loadAggregatorSet } from "./keys/AggregatorSet.ts";
import { FeedStore } from "./store/FeedStore.ts";

const program = new Command("oracle-agg").description("Operate the aggregator replicas of one lane.");

addKeyCommands(program);

program
  .command("status")
  .description("Show how far each replica is.")
  .requiredOption("--aggregators-file <file>", "the file every replica has as AGGREGATORS_FILE")
  .action(async ({ aggregatorsFile }: { aggregatorsFile: string }) => {
    const set = loadAggregatorSet(aggregatorsFile);
    const dispatcherOf = openCommandTls();
    const statuses = await Promise.all(
      set.replicas.map(async (entry) => {
        const { id, url } = entry;
        const dispatcher = dispatcherOf(entry);
        try {
          return await fetchJson(new URL("/v1/status", url).href, {
            schema: z.looseObject({ replica: z.number() }),
            ...(dispatcher === undefined ? {} : { dispatcher }),
          });
        } catch (error) {
          return {
            replica: id,
            state: "unreachable",
            problem: error instanceof Error ? error.message : String(error),
          };
        }
      }),
    );
    process.stdout.write(`${JSON.stringify(statuses, null, 2)}\n`);
    if (statuses.some(({ state }) => state !== "running")) process.exitCode = 1;
  });

program
  .command("resume-feed")
  .description(
    "Pull a gateway's feed again that was stopped because it was broken, once it has been repaired.",
  )
  .requiredOption("--database-url <url>", "this replica's DATABASE_URL")
  .requiredOption("--gateway <address>", "the gateway's address")
  .action(async ({ databaseUrl, gateway }: { databaseUrl: string; gateway: string }) => {
    const pool = createPool({ url: databaseUrl, max: 1 });
    try {
      const reason = await new FeedStore(pool).resumeFeed(Wire.parse(Wire.address, gateway.toLowerCase()));
      process.stdout.write(
        reason === null ? "The feed is not stopped.\n" : `Resumed; it was stopped because ${reason}.\n`,
      );
    } finally {
      await pool.end();
    }
  });

program.parseAsync().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});
