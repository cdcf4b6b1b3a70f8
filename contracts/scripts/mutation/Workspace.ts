import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { type AstNode, isNode } from "./AstNode.ts";

/** What a run of forge came to; `timeout` is a run that had to be ended. */
export type Outcome = "passed" | "failed" | "timeout";

export type Workspace = { directory: string; forge: string };

const COPIED = [
  "foundry.toml",
  "contracts/src",
  "contracts/test",
  "contracts/script",
  "contracts/solc.mjs",
  "contracts/package.json",
  "sdks/protocol/vectors",
];
const PROFILE = "mutate";

/**
 * The profile has forge replace `type(X).creationCode` in scripts by a call, so that their code does not hold the mutant
 * and is not compiled anew for it; a function that was pure then is not.
 */
const readCodeAtRuntime = (directory: string): void => {
  for (const name of readdirSync(directory)) {
    const path = join(directory, name);
    if (name.endsWith(".sol")) {
      writeFileSync(path, readFileSync(path, "utf8").replaceAll(/\bpure\b/g, "view"));
    }
  }
};

/** A copy of what forge needs of the project. What is installed is linked, not copied. */
export const create = (root: string, directory: string, forge: string): Workspace => {
  mkdirSync(directory, { recursive: true });
  for (const path of COPIED) cpSync(join(root, path), join(directory, path), { recursive: true });
  readCodeAtRuntime(join(directory, "contracts/script"));
  const modules = join(directory, "contracts/node_modules");
  if (!existsSync(modules)) symlinkSync(join(root, "contracts/node_modules"), modules);
  return { directory, forge };
};

/** Another copy, what is already compiled included. */
export const clone = (workspace: Workspace, directory: string): Workspace => {
  cpSync(workspace.directory, directory, {
    recursive: true,
    preserveTimestamps: true,
    verbatimSymlinks: true,
  });
  return { ...workspace, directory };
};

/** Runs forge in the workspace; its output is kept for the caller. */
export const run = (
  workspace: Workspace,
  args: readonly string[],
  timeoutSeconds: number,
): Promise<{ outcome: Outcome; output: string }> =>
  new Promise((resolve, reject) => {
    const forge = spawn(workspace.forge, args, {
      cwd: workspace.directory,
      env: { ...process.env, FOUNDRY_PROFILE: PROFILE },
      stdio: ["ignore", "pipe", "pipe"],
      // Its own group, so that ending forge also ends the compiler it started.
      detached: true,
    });
    const chunks: Buffer[] = [];
    forge.stdout.on("data", (chunk: Buffer) => chunks.push(chunk));
    forge.stderr.on("data", (chunk: Buffer) => chunks.push(chunk));
    const end = (): void => {
      if (forge.pid !== undefined) process.kill(-forge.pid, "SIGKILL");
    };
    process.once("exit", end);
    let isOverdue = false;
    const timer = setTimeout(() => {
      isOverdue = true;
      end();
    }, timeoutSeconds * 1000);
    forge.on("error", reject);
    forge.on("close", (code) => {
      clearTimeout(timer);
      process.off("exit", end);
      const outcome = isOverdue ? "timeout" : code === 0 ? "passed" : "failed";
      resolve({ outcome, output: Buffer.concat(chunks).toString() });
    });
  });

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
  const { outcome, output } = await run(workspace, args, 600);
  if (outcome !== "passed") throw new Error(`The sources do not compile:\n${output}`);
  const trees = new Map<string, AstNode>();
  for (const path of artifacts(workspace, "ast/out")) {
    const { ast } = readArtifact(path);
    if (!isNode(ast) || typeof ast.absolutePath !== "string") continue;
    if (ast.absolutePath.startsWith("contracts/src/")) trees.set(ast.absolutePath, ast);
  }
  return trees;
};

/** The creation code of everything that is compiled, tests included: they hold the internal libraries. */
export type Compiled = Map<string, { writtenAtMs: number; digest: string }>;

/** Reads only what was written since `earlier`. */
export const compiled = (workspace: Workspace, earlier: Compiled): Compiled =>
  new Map(
    artifacts(workspace, "contracts/out/forge").map((path) => {
      const name = path.slice(workspace.directory.length);
      const writtenAtMs = statSync(path).mtimeMs;
      const known = earlier.get(name);
      if (known?.writtenAtMs === writtenAtMs) return [name, known];
      const code = readArtifact(path).bytecode?.object ?? "";
      return [name, { writtenAtMs, digest: createHash("sha256").update(code).digest("hex") }];
    }),
  );

export const isSameCode = (one: Compiled, other: Compiled): boolean =>
  one.size === other.size && [...one].every(([name, { digest }]) => other.get(name)?.digest === digest);

export const writeSource = (workspace: Workspace, file: string, source: Buffer): void =>
  writeFileSync(join(workspace.directory, file), source);

export const readSource = (workspace: Workspace, file: string): Buffer =>
  readFileSync(join(workspace.directory, file));
