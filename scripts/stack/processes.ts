import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import type { PartName } from "./layout.ts";

/** One part of the stack that runs as its own process group, with its output in one log file. */
export type Part<Name extends string = PartName> = {
  name: Name;
  pid: number;
  logFile: string;
  /** Settles with the exit code or signal once the process has ended. */
  exited: Promise<string>;
  hasExited: () => boolean;
  /** Asks to stop, and ends the whole group if it has not within the grace time. */
  stop: (graceMs?: number) => Promise<void>;
  /** Sends a signal to the whole group at once; for fault tests. */
  signal: (signal: NodeJS.Signals) => void;
};

export type Command<Name extends string = PartName> = {
  name: Name;
  command: string;
  args: string[];
  env: Record<string, string>;
  cwd: string;
  logFile: string;
};

const signalGroup = (pid: number, signal: NodeJS.Signals): void => {
  try {
    process.kill(-pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
};

/** Starts a process in a group of its own, so that whatever it starts ends with it. */
export const startPart = <Name extends string>({
  name,
  command,
  args,
  env,
  cwd,
  logFile,
}: Command<Name>): Part<Name> => {
  const log = openSync(logFile, "a", 0o600);
  const child: ChildProcess = spawn(command, args, {
    cwd,
    env: { PATH: process.env.PATH ?? "", HOME: process.env.HOME ?? "", ...env },
    stdio: ["ignore", log, log],
    detached: true,
  });
  closeSync(log);
  const { pid } = child;
  if (pid === undefined) throw new Error(`${name} could not be started: ${command} was not found.`);
  let ended = false;
  const exited = new Promise<string>((resolve) => {
    child.once("exit", (code, signal) => {
      ended = true;
      resolve(signal ?? `exit code ${code}`);
    });
  });
  const stop = async (graceMs = 8_000): Promise<void> => {
    if (!ended) signalGroup(pid, "SIGTERM");
    const timer = new AbortController();
    await Promise.race([exited, sleep(graceMs, undefined, { signal: timer.signal }).catch(() => undefined)]);
    timer.abort();
    signalGroup(pid, "SIGKILL");
    await exited;
  };
  return {
    name,
    pid,
    logFile,
    exited,
    hasExited: () => ended,
    stop,
    signal: (signal) => signalGroup(pid, signal),
  };
};
