import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Hex, isHex } from "viem";
import { foundryBinary } from "../../foundryBinary.ts";

const repositoryDir = fileURLToPath(new URL("../../..", import.meta.url));

/** A fresh folder below `.local`, one of the few places that foundry.toml lets a script write to. */
export const scratchDir = (): string => {
  const parent = join(repositoryDir, ".local");
  mkdirSync(parent, { recursive: true });
  return mkdtempSync(join(parent, "deploy-test-"));
};

export type ScriptRun = { exitCode: number; output: string };

/** Runs a script of `contracts/script` with nothing in its environment but what is given. */
export const runScript = (
  name: "Deploy" | "Check",
  rpcUrl: string,
  environment: Record<string, string>,
): Promise<ScriptRun> => {
  const { PATH = "", HOME = "" } = process.env;
  const broadcast = name === "Deploy" ? ["--broadcast"] : [];
  return new Promise((resolve, reject) => {
    execFile(
      foundryBinary("forge"),
      ["script", `contracts/script/${name}.s.sol`, "--rpc-url", rpcUrl, "--skip", "test", ...broadcast],
      { cwd: repositoryDir, maxBuffer: 64 * 1024 * 1024, env: { PATH, HOME, ...environment } },
      (error, stdout, stderr) => {
        const exitCode = error === null ? 0 : error.code;
        if (typeof exitCode !== "number") reject(error);
        else resolve({ exitCode, output: `${stdout}${stderr}` });
      },
    );
  });
};

/** What Check found surprising, one line each. */
export const surprises = ({ output }: ScriptRun): string[] =>
  [...output.matchAll(/^\s*SURPRISE (.+)$/gm)].map(([, text = ""]) => text);

/** Creation code of a compiled contract. */
export const creationCodeOf = (name: string): Hex => {
  const artifact = readJson(join(repositoryDir, `contracts/out/forge/${name}.sol/${name}.json`));
  const code = (artifact as { bytecode?: { object?: unknown } }).bytecode?.object;
  if (!isHex(code)) throw new Error(`${name} is not compiled.`);
  return code;
};

export const readJson = (file: string): unknown => JSON.parse(readFileSync(file, "utf8"));
