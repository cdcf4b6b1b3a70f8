// `verifyLedgerCli.ts` recomputes the ledger of DATABASE_URL; exit code 0: all agrees, 1: it does not, 2: not checked.
import { ConfigError, configFields, createPool, loadConfig } from "@tac/kit";
import { verifyLedger } from "./verifyLedger.ts";

try {
  const { DATABASE_URL: url } = loadConfig({ DATABASE_URL: configFields.databaseUrl }, process.env);
  const pool = createPool({ url, max: 1, statementTimeoutMs: 600_000 });
  try {
    const { jobs, entries, lockedNano, heldNano, spentNano, problems } = await verifyLedger(pool);
    for (const { subject, problem } of problems) console.error(`${subject}: ${problem}`);
    console.log(
      `${jobs} jobs, ${entries} entries: ${lockedNano} nanocredits locked, ${heldNano} held, ${spentNano} spent; ` +
        `${problems.length === 0 ? "all agrees" : `${problems.length} problems`}`,
    );
    process.exitCode = problems.length === 0 ? 0 : 1;
  } finally {
    await pool.end();
  }
} catch (error) {
  console.error(error instanceof ConfigError ? error.message : error);
  process.exitCode = 2;
}
