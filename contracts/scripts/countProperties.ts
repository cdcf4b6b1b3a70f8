// Counts the named properties of the contracts and writes the number into docs/testing.md.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { publish } from "./mutation/report.ts";

const root = join(import.meta.dirname, "../..");
const folder = join(root, "contracts/test");
const sources = readdirSync(folder, { recursive: true, encoding: "utf8" })
  .filter((path) => path.endsWith(".sol"))
  .map((path) => readFileSync(join(folder, path), "utf8"));

const count = (pattern: RegExp): number =>
  sources.reduce((sum, source) => sum + [...source.matchAll(pattern)].length, 0);

const invariants = count(/function INV\d+_\w+/g);
// The one that is checked when a run ends, and so has no function of its own.
const atTheEnd = 1;
const fuzzed = count(/function testFuzz_\w+/g);
const examples = count(/function test_\w+/g);

const text = [
  `| Kind | Number |`,
  `| --- | ---: |`,
  `| invariants (\`INV*\`, and INV-32 when a run ends) | ${invariants + atTheEnd} |`,
  `| fuzzed properties (\`testFuzz_*\`) | ${fuzzed} |`,
  `| **named properties** | **${invariants + atTheEnd + fuzzed}** |`,
  `| examples (\`test_*\`) | ${examples} |`,
].join("\n");
publish(join(root, "docs/testing.md"), "properties", text);
console.log(text);
