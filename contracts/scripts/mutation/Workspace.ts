import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { cpSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type AstNode, isNode } from "./AstNode.ts";

/** What a run of forge came to; `timeout` is a run that had to be ended. */
export type Outcome = "passed" | "failed" | "timeout";

/** A copy of what forge needs of the project. */
export type Workspace = { directory: string; forge: string; answers: string };

const SOLIDITY = ["contracts/src", "contracts/test", "contracts/script"];
const COPIED = [
  ...SOLIDITY,
  "foundry.toml",
  "contracts/package.json",
  "contracts/solc.mjs",
  "sdks/protocol/vectors",
];
const PROFILE = "mutate";
const SOLC = "contracts/cachedSolc.sh";

/**
 * Neither a function that chooses its mutant by the block, nor one whose `type(X).creationCode` the profile has forge
 * replace by a call, is pure. The words are of one length, so positions stay. What tests override is a library's, and
 * stays pure.
 */
const makeViews = (directory: string): void => {
  for (const name of readdirSync(directory, { recursive: true, encoding: "utf8" })) {
    const path = join(directory, name);
    if (name.endsWith(".sol")) {
      const pure = directory.endsWith("/src") ? /\bpure\b/g : /\bpure\b(?! override)/g;
      writeFileSync(path, readFileSync(path, "utf8").replaceAll(pure, "view"));
    }
  }
};

/** What is installed is linked, not copied. */
export const create = (root: string, directory: string, forge: string): Workspace => {
  mkdirSync(directory, { recursive: true });
  for (const path of COPIED) cpSync(join(root, path), join(directory, path), { recursive: true });
  cpSync(join(import.meta.dirname, "cachedSolc.sh"), join(directory, SOLC));
  for (const path of SOLIDITY) makeViews(join(directory, path));
  symlinkSync(join(root, "contracts/node_modules"), join(directory, "contracts/node_modules"));
  return { directory, forge, answers: join(root, "contracts/cache/solc") };
};

/** Runs forge in the workspace; its output is kept for the caller. */
export const run = (
  { directory, forge, answers }: Workspace,
  args: readonly string[],
  timeoutSeconds: number,
): Promise<{ outcome: Outcome; output: string }> =>
  new Promise((resolve, reject) => {
    const running = spawn(forge, args, {
      cwd: directory,
      env: { ...process.env, FOUNDRY_PROFILE: PROFILE, FOUNDRY_SOLC: SOLC, SOLC_ANSWERS: answers },
      stdio: ["ignore", "pipe", "pipe"],
      // Its own group, so that ending forge also ends the compiler it started.
      detached: true,
    });
    const chunks: Buffer[] = [];
    running.stdout.on("data", (chunk: Buffer) => chunks.push(chunk));
    running.stderr.on("data", (chunk: Buffer) => chunks.push(chunk));
    const end = (): void => {
      if (running.pid !== undefined) process.kill(-running.pid, "SIGKILL");
    };
    process.once("exit", end);
    let isOverdue = false;
    const timer = setTimeout(() => {
      isOverdue = true;
      end();
    }, timeoutSeconds * 1000);
    running.on("error", reject);
    running.on("close", (code) => {
      clearTimeout(timer);
      process.off("exit", end);
      const outcome = isOverdue ? "timeout" : code === 0 ? "passed" : "failed";
      resolve({ outcome, output: Buffer.concat(chunks).toString() });
    });
  });

/** As `run`, for what must succeed. */
export const mustRun = async (
  workspace: Workspace,
  args: readonly string[],
  failure: string,
): Promise<void> => {
  const { outcome, output } = await run(workspace, args, 900);
  if (outcome !== "passed") throw new Error(`${failure}\n${output}`);
};

const artifacts = (workspace: Workspace, folder: string): string[] => {
  const out = join(workspace.directory, folder);
  return readdirSync(out, { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".json") && !path.includes("build-info"))
    .map((path) => join(out, path))
    .sort();
};

type Artifact = { ast?: unknown; bytecode?: { object: string } };

const readArtifact = (path: string): Artifact => JSON.parse(readFileSync(path, "utf8"));

/** Source files under contracts/src and their trees, by path. */
export const asts = async (workspace: Workspace): Promise<Map<string, AstNode>> => {
  const args = ["build", "contracts/src", "--ast", "--out", "ast/out", "--cache-path", "ast/cache"];
  await mustRun(workspace, args, "The sources do not compile:");
  const trees = new Map<string, AstNode>();
  for (const path of artifacts(workspace, "ast/out")) {
    const { ast } = readArtifact(path);
    if (!isNode(ast) || typeof ast.absolutePath !== "string") continue;
    if (ast.absolutePath.startsWith("contracts/src/")) trees.set(ast.absolutePath, ast);
  }
  return trees;
};

/** Stands for the creation code of every contract and, since they hold the internal libraries, of every test. */
export const codeDigest = (workspace: Workspace): string => {
  const hash = createHash("sha256");
  for (const path of artifacts(workspace, "contracts/out/forge")) {
    hash.update(path).update(readArtifact(path).bytecode?.object ?? "");
  }
  return hash.digest("hex");
};

export const writeSource = (workspace: Workspace, file: string, source: Buffer | string): void =>
  writeFileSync(join(workspace.directory, file), source);

export const readSource = (workspace: Workspace, file: string): Buffer =>
  readFileSync(join(workspace.directory, file));
