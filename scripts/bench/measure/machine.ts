import { execFileSync } from "node:child_process";
import { cpus, loadavg, release, totalmem, type } from "node:os";
import { repositoryDir } from "../../stack/layout.ts";

/** Where and on what a run was made. */
export type Machine = {
  cpu: string;
  cores: number;
  memoryGiB: number;
  kernel: string;
  node: string;
  commit: string;
  /** True when the tree had changes that the commit does not hold. */
  modified: boolean;
  startedAt: string;
  /** Of the last minute, before anything was started. */
  loadAverage: number;
};

const git = (...args: string[]): string =>
  execFileSync("git", args, { cwd: repositoryDir, encoding: "utf8" }).trim();

export const describeMachine = (): Machine => ({
  cpu: cpus()[0]?.model ?? "unknown",
  cores: cpus().length,
  memoryGiB: Math.round(totalmem() / 2 ** 30),
  kernel: `${type()} ${release()}`,
  node: process.version,
  commit: git("rev-parse", "--short=12", "HEAD"),
  modified: git("status", "--porcelain", "--untracked-files=no", "--", "services", "sdks", "scripts") !== "",
  startedAt: new Date().toISOString(),
  loadAverage: loadavg()[0] ?? Number.NaN,
});
