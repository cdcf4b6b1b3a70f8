// Compares each `.tree` of the unit tests with the tests beside it: every test stands in its tree once, every leaf has
// its test. Then the invariants: each is written, judged by the campaign under its id, and listed in their README.
// Prints what differs, and fails if anything does: `node --import tsx contracts/scripts/checkTrees.ts`.
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

const invariantDir = fileURLToPath(new URL("../test/invariant", import.meta.url));
const sources = readdirSync(invariantDir)
  .filter((name) => name.endsWith(".sol"))
  .map((name) => readFileSync(join(invariantDir, name), "utf8"))
  .join("\n");
const listed = readFileSync(join(invariantDir, "README.md"), "utf8");
const written = [...sources.matchAll(/function (INV(\d\d)_\w+)\(/g)];
for (const [, name = "", number = ""] of written) {
  const judged = sources.split(`add("INV-${number}", this.${name}.selector)`).length - 1;
  if (judged !== 1) problems.push(`${name} is judged ${judged} times by the campaign under INV-${number}`);
}
// INV-32 is what afterInvariant asserts.
const ids = [...written.map(([, , number = ""]) => number), "32"];
for (const [, number = ""] of listed.matchAll(/^\| INV-(\d\d) \|/gm)) {
  if (!ids.includes(number)) problems.push(`INV-${number} is listed, but not written`);
}
for (const number of ids) {
  const count = listed.split(`\n| INV-${number} |`).length - 1;
  if (count !== 1) problems.push(`INV-${number} is listed ${count} times in the README of the invariants`);
}

for (const problem of problems) console.error(problem);
if (problems.length !== 0) process.exitCode = 1;
