import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { repositoryDir } from "../../stack/layout.ts";

const run = promisify(execFile);

/** What a measuring program of this repository prints, run in a process of its own. */
export const runScript = async (file: string, ...args: string[]): Promise<string> => {
  const { stdout } = await run(process.execPath, ["--import", "tsx", file, ...args], {
    cwd: repositoryDir,
    timeout: 180_000,
  });
  return stdout;
};
