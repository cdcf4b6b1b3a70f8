import { existsSync, readFileSync, rmSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import type { Layout } from "./layout.ts";

type StackState = { supervisor: number; parts: { name: string; pid: number }[] };

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

const end = (pid: number, signal: NodeJS.Signals): void => {
  if (isAlive(Math.abs(pid))) process.kill(pid, signal);
};

/** The stack that runs with this layout, or null; a state file without a living supervisor is not a running stack. */
export const readRunning = (layout: Layout): StackState | null => {
  if (!existsSync(layout.stateFile)) return null;
  const state: StackState = JSON.parse(readFileSync(layout.stateFile, "utf8"));
  return isAlive(state.supervisor) ? state : null;
};

/** Stops the stack whose supervisor runs elsewhere; if that was killed, ends the processes it left. */
export const downStack = async (layout: Layout): Promise<void> => {
  if (!existsSync(layout.stateFile)) return;
  const state: StackState = JSON.parse(readFileSync(layout.stateFile, "utf8"));
  end(state.supervisor, "SIGTERM");
  for (let waitedMs = 0; isAlive(state.supervisor) && waitedMs < 30_000; waitedMs += 100) await sleep(100);
  for (const { pid } of state.parts) end(-pid, "SIGKILL");
  rmSync(layout.stateFile, { force: true });
};
