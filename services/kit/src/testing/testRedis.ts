import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createConnection } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { findDebianProgram, type Program } from "./debianProgram.ts";
import { freePort } from "./freePort.ts";

/** Where the test run's shared server listens; unset when the machine has none. */
export const SHARED_REDIS = "TAC_TEST_REDIS_URL";
/** The test run's Redis program as JSON; unset when the machine has none. */
export const REDIS_PROGRAM = "TAC_TEST_REDIS_PROGRAM";

/** URL of a Redis that the whole test run shares, or undefined where none can be had. */
export const sharedRedisUrl = (): string | undefined => process.env[SHARED_REDIS];

/** Whether `startTestRedis` has a program to start. */
export const canStartRedis = (): boolean => process.env[REDIS_PROGRAM] !== undefined;

const fetchedDir = join(import.meta.dirname, "..", "..", "..", "..", ".local", "redis");

/** The machine's own Redis, or Debian's, fetched without installing it. Errors: neither can be had. */
export const findRedis = (): Program =>
  findDebianProgram({
    name: "redis-server",
    file: "usr/bin/redis-server",
    packages: ["redis-server", "redis-tools"],
    folder: fetchedDir,
  });

export type TestRedis = {
  url: string;
  /** Ends it at once, as a crash would, with all it knew. */
  kill: () => Promise<void>;
  /** Starts it again, empty, at the same address. */
  restart: () => Promise<void>;
  stop: () => Promise<void>;
};

/** Starts a real Redis that keeps nothing on disk, on a free port; it also ends with the test process. */
export const startTestRedis = async (program = programOfRun()): Promise<TestRedis> => {
  const port = await freePort();
  const dir = await mkdtemp(join(tmpdir(), "tac-test-redis-"));
  let child = await start(program, port, dir);
  const killAtExit = (): void => void child.kill("SIGKILL");
  process.once("exit", killAtExit);
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    if (hasEnded(child)) return;
    const exited = once(child, "exit");
    child.kill(signal);
    await exited;
  };
  return {
    url: `redis://127.0.0.1:${port}`,
    kill: () => end("SIGKILL"),
    restart: async () => {
      await end("SIGKILL");
      child = await start(program, port, dir);
    },
    stop: async () => {
      process.off("exit", killAtExit);
      await end("SIGTERM");
      await rm(dir, { recursive: true, force: true });
    },
  };
};

const programOfRun = (): Program => {
  const found = process.env[REDIS_PROGRAM];
  return found === undefined ? findRedis() : (JSON.parse(found) as Program);
};

const hasEnded = (child: ChildProcess): boolean => child.exitCode !== null || child.signalCode !== null;

const start = async ({ command, env }: Program, port: number, dir: string): Promise<ChildProcess> => {
  const settings = {
    bind: "127.0.0.1",
    port: String(port),
    save: "",
    appendonly: "no",
    daemonize: "no",
    dir,
  };
  const child = spawn(
    command,
    Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]),
    { env: { ...process.env, ...env }, stdio: ["ignore", "pipe", "pipe"] },
  );
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      output = `${output}${text}`.slice(-4_000);
    });
  }
  let spawnError: Error | undefined;
  child.on("error", (error) => {
    spawnError = error;
  });
  const deadline = Date.now() + 20_000;
  while (!(await answers(port))) {
    if (spawnError !== undefined || hasEnded(child) || Date.now() > deadline) {
      child.kill("SIGKILL");
      throw new Error(`The test Redis did not start: ${output}`, { cause: spawnError });
    }
    await sleep(20);
  }
  return child;
};

const answers = async (port: number): Promise<boolean> => {
  const socket = createConnection({ host: "127.0.0.1", port });
  try {
    await once(socket, "connect");
    socket.end("PING\r\n");
    const [answer] = await once(socket, "data");
    return String(answer).startsWith("+PONG");
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
};
