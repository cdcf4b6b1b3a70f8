import { createPool } from "@tac/kit";
import { Wire } from "@tac/protocol";
import { Command } from "commander";
import { addKeyCommands } from "./commands/keyCommands.ts";
import { addReplaceNodeCommand } from "./commands/replaceNodeCommand.ts";
import { addStatusCommand } from "./commands/statusCommand.ts";
import { FeedStore } from "./store/FeedStore.ts";

const program = new Command("oracle-agg").description("Operate the aggregator replicas of one lane.");

addKeyCommands(program);
addReplaceNodeCommand(program);
addStatusCommand(program);

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
