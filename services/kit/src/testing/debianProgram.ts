import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";

export type Program = {
  command: string;
  /** What its environment needs besides; empty for a program of the machine's own. */
  env: Record<string, string>;
};

const fetchTimeoutMs = 60_000;

/**
 * A program of the machine's own, or Debian's package with all it depends on and the machine lacks, unpacked into
 * `folder`; nothing is installed. What was unpacked once is used again.
 * Errors: the machine has neither the program nor Debian's `apt-get` with package lists.
 */
export const findDebianProgram = ({
  name,
  file,
  packages,
  folder,
  path = process.env.PATH ?? "",
}: {
  name: string;
  /** Where the packages have it, below their root. */
  file: string;
  packages: readonly string[];
  folder: string;
  /** Folders searched for the program and Debian's tools, separated by colons. */
  path?: string;
}): Program => {
  if (path.split(":").some((directory) => existsSync(join(directory, name))))
    return { command: name, env: {} };
  if (!existsSync(join(folder, file))) unpack(packages, folder, path);
  const libraries = librariesOf(folder);
  return {
    command: join(folder, file),
    env: libraries.length === 0 ? {} : { LD_LIBRARY_PATH: libraries.join(":") },
  };
};

const unpack = (packages: readonly string[], folder: string, path: string): void => {
  mkdirSync(dirname(folder), { recursive: true });
  // Two runs may unpack at once, so each has a folder of its own and only a complete one gets the name.
  const own = mkdtempSync(`${folder}-`);
  const run = (tool: string, ...args: string[]): string =>
    execFileSync(join(folderOf(tool, path), tool), args, {
      cwd: own,
      env: { ...process.env, PATH: path },
      encoding: "utf8",
      stdio: "pipe",
      timeout: fetchTimeoutMs,
    });
  try {
    const lacking = run("apt-get", "--simulate", "--no-install-recommends", "-qq", "install", ...packages);
    const names = new Set([
      ...packages,
      ...[...lacking.matchAll(/^Inst (\S+)/gm)].map(([, found = ""]) => found),
    ]);
    run("apt-get", "-qq", "download", ...names);
    for (const archive of readdirSync(own).filter((entry) => entry.endsWith(".deb"))) {
      run("dpkg-deb", "-x", archive, "root");
    }
    if (!existsSync(folder)) renameSync(join(own, "root"), folder);
  } finally {
    rmSync(own, { recursive: true, force: true });
  }
};

const folderOf = (tool: string, path: string): string => {
  const found = path.split(":").find((directory) => existsSync(join(directory, tool)));
  if (found === undefined) throw new Error(`There is no ${tool} on this machine`);
  return found;
};

/** Debian keeps libraries in a folder named after the machine's architecture, such as `x86_64-linux-gnu`. */
const librariesOf = (folder: string): string[] =>
  ["usr/lib", "lib"]
    .map((directory) => join(folder, directory))
    .filter((directory) => existsSync(directory))
    .flatMap((directory) => readdirSync(directory).map((entry) => join(directory, entry)))
    .filter((directory) => directory.includes("-linux-"));
