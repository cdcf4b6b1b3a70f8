// Attacks a stack of its own with everything a thief could try, and prints a table: `make attacks`.
import { join } from "node:path";
import pc from "picocolors";
import { repositoryDir } from "../stack/layout.ts";
import { showProgress } from "../stack/progress.ts";
import { startOwnStack } from "../stack/start.ts";
import { everyAttack } from "./everyAttack.ts";
import { runAttacks, type Verdict } from "./runAttacks.ts";

const NAME_WIDTH = 74;

const printVerdict = (): ((verdict: Verdict) => void) => {
  let group = "";
  return ({ group: of, attack, outcome, problems }) => {
    if (of !== group) console.log(`\n${pc.bold(of)}`);
    group = of;
    const mark = problems.length === 0 ? pc.green("✓") : pc.red("✗");
    console.log(`  ${mark} ${attack.padEnd(NAME_WIDTH)} ${String(outcome.status).padEnd(6)} ${outcome.code}`);
    for (const problem of problems) console.log(`      ${pc.red(problem)}`);
  };
};

const dir = join(repositoryDir, ".local", "attacks");
const stack = await startOwnStack(dir, showProgress);
try {
  const verdicts = await runAttacks(stack, everyAttack, printVerdict());
  const failed = verdicts.filter(({ problems }) => problems.length > 0).length;
  console.log(
    failed === 0
      ? `\n${verdicts.length} attacks, each refused; none reached a provider or left a hold.`
      : `\n${pc.red(`${failed} of ${verdicts.length} attacks were not refused as they should be.`)}`,
  );
  process.exitCode = failed === 0 ? 0 : 1;
} finally {
  await stack.stop();
}
