import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { isHealthy } from "../../stack/health.ts";
import { type Command, type Part, startPart } from "../../stack/processes.ts";

/** Processes that the bench starts beside the stack; all end with it. */
export type Peers = {
  logsDir: string;
  parts: Part<string>[];
};

export const createPeers = (logsDir: string): Peers => {
  const peers: Peers = { logsDir, parts: [] };
  process.once("exit", () => {
    for (const part of peers.parts) part.signal("SIGKILL");
  });
  return peers;
};

/** Starts a process and waits until the URL answers 200. */
export const startPeer = async (
  peers: Peers,
  command: Omit<Command<string>, "logFile">,
  url: string,
  caFile?: string,
): Promise<number> => {
  const part = startPart({ ...command, logFile: join(peers.logsDir, `${command.name}.log`) });
  peers.parts.push(part);
  const deadline = Date.now() + 90_000;
  while (!(await isHealthy(url, caFile))) {
    if (part.hasExited()) throw new Error(`${part.name} ended (${await part.exited}); see ${part.logFile}`);
    if (Date.now() > deadline) throw new Error(`${part.name} does not answer ${url}; see ${part.logFile}`);
    await sleep(200);
  }
  return part.pid;
};

export const stopPeers = async ({ parts }: Peers): Promise<void> => {
  await Promise.all(parts.map((part) => part.stop(2_000)));
};
