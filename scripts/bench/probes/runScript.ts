import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { repositoryDir } from "../../stack/layout.ts";

const run = promisify(execFile);

/** What a measuring program of this repository prints, run in a process of its own. One that missed its aim exits with 1. */
export const runScript = async (file: string, ...args: string[]): Promise<string> => {
  const { stdout } = await run(process.execPath, ["--import", "tsx", file, ...args], {
    cwd: repositoryDir,
    timeout: 180_000,
  }).catch((error: Error & { code?: number; stdout?: string }) => {
    if (error.code === 1 && error.stdout) return { stdout: error.stdout };
    throw error;
  });
  return stdout;
};
