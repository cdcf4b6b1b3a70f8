#!/usr/bin/env node
// The npm build of solc for the copies that mutants are tried in: it answers the same question once. forge asks for the
// interfaces of all sources at each run with a filter, which would take longer than the tests do.
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";

const answers = new URL("./cache/solc/", import.meta.url).pathname;
mkdirSync(answers, { recursive: true });

const isVersion = process.argv.includes("--version");
const question = isVersion ? "version" : readFileSync(0, "utf8");
const path = answers + createHash("sha256").update(question).digest("hex");
if (!existsSync(path)) {
  const solc = createRequire(import.meta.url)("solc");
  const version = solc.version().replace("Emscripten.clang", "Linux.g++");
  writeFileSync(
    path,
    isVersion
      ? `solc, the solidity compiler commandline interface\nVersion: ${version}\n`
      : solc.compile(question),
  );
}
process.stdout.write(readFileSync(path));
