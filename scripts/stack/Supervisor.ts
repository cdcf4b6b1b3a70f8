import { rmSync, writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import type { Certificates } from "./certificates.ts";
import { awaitChain } from "./chain.ts";
import { awaitHealthy } from "./health.ts";
import type { Layout, PartName } from "./layout.ts";
import { awaitPostgres } from "./postgres.ts";
import { type Command, type Part, startPart } from "./processes.ts";
import type { Restart } from "./Stack.ts";
import { speaksTls, urlOf } from "./urlOf.ts";

/** Starts, watches and stops the parts of one stack. */
export type Supervisor = {
  start: (command: Command) => Part;
  part: (name: PartName) => Part;
  /** What a part was started with. */
  command: (name: PartName) => Command;
  /** Waits for 200 at a path of a part that speaks HTTP. */
  awaitHealthy: (name: PartName, path: "/livez" | "/healthz") => Promise<void>;
  kill: (name: PartName) => Promise<void>;
  restart: Restart;
  stop: () => Promise<void>;
};

type Running = { command: Command; part: Part };

/** How long a part that ends while it starts is started again. */
const RESTART_MS = 20_000;

/** What the services store in and send to goes last. */
const stoppedLast: readonly PartName[] = ["postgres", "chain"];

export const createSupervisor = (layout: Layout, { caFile, of }: Certificates): Supervisor => {
  const parts = new Map<PartName, Running>();

  const entryOf = (name: PartName): Running => {
    const entry = parts.get(name);
    if (entry === undefined) throw new Error(`${name} was not started.`);
    return entry;
  };
  const partOf = (name: PartName): Part => entryOf(name).part;
  const start = (command: Command): Part => {
    const part = startPart(command);
    parts.set(command.name, { command, part });
    const pids = [...parts.values()].map(({ part }) => ({ name: part.name, pid: part.pid }));
    writeFileSync(layout.stateFile, JSON.stringify({ supervisor: process.pid, parts: pids }));
    return part;
  };
  const stop = async (): Promise<void> => {
    const isLast = (name: PartName): boolean => stoppedLast.includes(name);
    await Promise.all([...parts].filter(([name]) => !isLast(name)).map(([, { part }]) => part.stop()));
    await Promise.all([...parts].filter(([name]) => isLast(name)).map(([, { part }]) => part.stop()));
    rmSync(layout.stateFile, { force: true });
    process.off("exit", killAll);
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.off(signal, interrupt);
  };
  const awaitPart = (name: PartName, path: string): Promise<void> => {
    const { part, command } = entryOf(name);
    if (!speaksTls(name) || command.env.UNSAFE_PLAIN_HTTP === "1")
      return awaitHealthy({ part, url: `http://127.0.0.1:${layout.ports[name]}${path}` });
    return awaitHealthy({ part, url: `${urlOf(layout, name)}${path}`, trust: { caFile, ...of("operator") } });
  };
  const awaitReady = async (name: PartName): Promise<void> => {
    if (name === "postgres") await awaitPostgres(layout, partOf(name));
    else if (name === "chain") await awaitChain(layout, partOf(name));
    else await awaitPart(name, "/healthz");
  };
  // Whatever ends this process, what it started must not outlive it: in order on a signal, at once otherwise.
  const killAll = (): void => {
    for (const { part } of parts.values()) part.signal("SIGKILL");
  };
  const interrupt = (): void => {
    void stop().finally(() => process.exit(0));
  };
  process.once("exit", killAll);
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, interrupt);

  return {
    start,
    part: partOf,
    command: (name) => entryOf(name).command,
    awaitHealthy: awaitPart,
    kill: async (name) => {
      partOf(name).signal("SIGKILL");
      await partOf(name).exited;
    },
    restart: async (name, env = {}) => {
      const { command, part } = entryOf(name);
      if (!part.hasExited()) await part.stop();
      const deadline = Date.now() + RESTART_MS;
      for (;;) {
        const started = start({ ...command, env: { ...command.env, ...env } });
        try {
          return await awaitReady(name);
        } catch (error) {
          // What was killed may hold its lock file or its memory for a moment longer: then a start ends at once.
          if (!started.hasExited() || Date.now() > deadline) throw error;
          await sleep(250);
        }
      }
    },
    stop,
  };
};
