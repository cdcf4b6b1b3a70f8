// Compares each `.tree` of the unit tests with the tests beside it: every test stands in its tree once, every leaf has
// its test. Prints what differs, and fails if anything does: `node --import tsx contracts/scripts/checkTrees.ts`.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";

const unitDir = fileURLToPath(new URL("../test/unit", import.meta.url));

const testsOf = (solidity: string): string[] =>
  [...solidity.matchAll(/function (test(?:Fuzz)?_\w+)\(/g)].map(([, name = ""]) => name);
const leavesOf = (tree: string): string[] =>
  [...tree.matchAll(/(?:^|─ )it .+: (test(?:Fuzz)?_\w+)$/gm)].map(([, name = ""]) => name);
const unprovenOf = (tree: string): string[] =>
  [...tree.matchAll(/^.*─ it (?!.*: test(?:Fuzz)?_\w+$).*$/gm)].map(([line]) => line);

const problems: string[] = [];
for (const entry of readdirSync(unitDir, { recursive: true, encoding: "utf8" })) {
  if (entry.endsWith(".tree") && !existsSync(join(unitDir, entry.replace(/tree$/, "t.sol")))) {
    problems.push(`${entry} describes no test`);
  }
  if (!entry.endsWith(".t.sol")) continue;
  const treeFile = join(unitDir, entry.replace(/t\.sol$/, "tree"));
  if (!existsSync(treeFile)) {
    problems.push(`${entry} has no ${relative(unitDir, treeFile)}`);
    continue;
  }
  const tree = readFileSync(treeFile, "utf8");
  const tests = testsOf(readFileSync(join(unitDir, entry), "utf8"));
  const leaves = leavesOf(tree);
  for (const name of tests) {
    const count = leaves.filter((leaf) => leaf === name).length;
    if (count !== 1) problems.push(`${entry}: ${name} stands ${count} times in the tree`);
  }
  for (const leaf of leaves) if (!tests.includes(leaf)) problems.push(`${entry}: no ${leaf}`);
  for (const line of unprovenOf(tree)) problems.push(`${entry}: a leaf without a test: ${line.trim()}`);
}
for (const problem of problems) console.error(problem);
if (problems.length !== 0) process.exitCode = 1;
