import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { Command } from "../stack/processes.ts";

/** The wall clock of one process, which the harness may set ahead or back while the process runs. */
export type JumpingClock = { jump: (offsetMs: number) => void };

/** What a process needs in its environment so that its clock can be moved: no change to the program itself. */
export const clockEnvironment = ({
  logFile,
}: Pick<Command<string>, "logFile">): { clock: JumpingClock; env: Record<string, string> } => {
  const file = logFile.replace(/\.log$/, ".clock");
  rmSync(file, { force: true });
  const preload = pathToFileURL(join(import.meta.dirname, "movedClock.mjs")).href;
  return {
    clock: { jump: (offsetMs) => writeFileSync(file, String(offsetMs)) },
    env: { CLOCK_OFFSET_FILE: file, NODE_OPTIONS: `--import=${preload}` },
  };
};
