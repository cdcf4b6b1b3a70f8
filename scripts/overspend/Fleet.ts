import { setTimeout as sleep } from "node:timers/promises";
import { freePort } from "@tac/kit/testing";
import { type Connection, openConnection } from "@tac/sdk/transport";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { fundGas } from "../stack/chain.ts";
import { isHealthy } from "../stack/health.ts";
import { type Command, type Part, startPart } from "../stack/processes.ts";
import type { Stack } from "../stack/Stack.ts";
import { urlOf } from "../stack/urlOf.ts";
import { balanceTcp } from "./balanceTcp.ts";
import { clockEnvironment, type JumpingClock } from "./JumpingClock.ts";

const HEALTHY_WITHIN_MS = 60_000;

/** One gateway process of several that share a database, a key and a public URL. */
export type FleetReplica = {
  name: string;
  url: string;
  clock: JumpingClock;
  /** SIGKILL, and a wait for the end. */
  kill: () => Promise<void>;
  start: () => Promise<void>;
  stop: () => Promise<void>;
};

/** Several gateway replicas; what one of them is asked may be answered by another. */
export type Fleet = {
  /** What every proof names, whichever replica it goes to. */
  origin: string;
  replicas: readonly FleetReplica[];
  /** A TLS connection, through the balancer, to the next replica in turn. */
  connect: (signal?: AbortSignal) => Promise<Connection>;
  stop: () => Promise<void>;
};

const timeouts = {
  // A burst of handshakes keeps client and gateways, on the same cores, busy for longer than usual.
  connectTimeoutMs: 60_000,
  idleTimeoutMs: 60_000,
  headersTimeoutMs: 90_000,
  bodyTimeoutMs: 90_000,
};

const createReplica = (command: Command<string>, url: string, caFile: string): FleetReplica => {
  const { clock, env } = clockEnvironment(command);
  let part: Part<string> | null = null;
  const start = async (): Promise<void> => {
    part = startPart({ ...command, env: { ...command.env, ...env } });
    const deadline = Date.now() + HEALTHY_WITHIN_MS;
    while (!(await isHealthy(`${url}/livez`, caFile))) {
      if (part.hasExited()) throw new Error(`${command.name} ended; see ${command.logFile}`);
      if (Date.now() > deadline) throw new Error(`${command.name} does not answer; see ${command.logFile}`);
      await sleep(50);
    }
  };
  const kill = async (): Promise<void> => {
    part?.signal("SIGKILL");
    await part?.exited;
  };
  process.once("exit", () => part?.signal("SIGKILL"));
  return { name: command.name, url, clock, kill, start, stop: async () => part?.stop() };
};

/**
 * Replaces the stack's one gateway by `count` replicas of it. `base` is the command the stack started it with; each
 * replica sends its locks from an account of its own, since two processes of one account race for nonces.
 */
export const startFleet = async (stack: Stack, base: Command, count: number): Promise<Fleet> => {
  const origin = urlOf(stack.layout, "gateway");
  const { caFile, ca } = stack.certificates;
  await stack.part("gateway").stop();
  const replicas = await Promise.all(
    Array.from({ length: count }, async (_, index) => {
      const name = `gateway-${index + 1}`;
      const port = await freePort();
      const privateKey = generatePrivateKey();
      await fundGas(stack.chain.client, [privateKeyToAccount(privateKey).address]);
      const env = {
        ...base.env,
        PORT: String(port),
        METRICS_PORT: String(await freePort()),
        REPLICA_ID: name,
        LOCK_SENDER_PRIVATE_KEY: privateKey,
      };
      const logFile = base.logFile.replace(/gateway\.log$/, `${name}.log`);
      const url = Object.assign(new URL(origin), { port: String(port) }).origin;
      return { port, ...createReplica({ ...base, name, logFile, env }, url, caFile) };
    }),
  );
  await Promise.all(replicas.map(({ start }) => start()));

  // Aggregators, providers and clients reach whatever replica is up through the one address they know.
  const balancer = await balanceTcp(
    stack.layout.ports.gateway,
    replicas.map(({ port }) => port),
  );
  return {
    origin,
    replicas,
    connect: (signal) => openConnection({ origin, ca, ...timeouts }, signal),
    stop: async () => {
      balancer.close();
      await Promise.all(replicas.map(({ stop }) => stop()));
    },
  };
};
