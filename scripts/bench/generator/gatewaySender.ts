import { randomUUID } from "node:crypto";
import { Deployment, Header, HolderKey } from "@tac/protocol";
import {
  createConnectionPool,
  createGatewayCaller,
  createHolderKeyring,
  createJobSessions,
  openConnection,
} from "@tac/sdk/transport";
import { lockJobs } from "./lockJobs.ts";
import { openPlainConnection } from "./openPlainConnection.ts";
import { readUntilAborted } from "./readUntilAborted.ts";
import { MAX_CONNECTIONS, MAX_STREAMS, type Sender } from "./Sender.ts";
import type { GatewayTarget, Shot } from "./Target.ts";

/** Signed into each proof; the hold is the smaller of this and what the call's own bounds make. */
const MAX_COST_NANO = 10_000_000n;

const timeouts = {
  connectTimeoutMs: 10_000,
  idleTimeoutMs: 60_000,
  headersTimeoutMs: 60_000,
  bodyTimeoutMs: 60_000,
};
const noRetries = { maxRetries: 0, baseDelayMs: 1, maxDelayMs: 1 };

/**
 * Locks jobs, and calls with them as an application with the SDK does: a fresh proof and a fresh Idempotency-Key for each
 * call, over connections whose exporter the proof names. Nothing is prepared ahead, and nothing is retried.
 */
export const createGatewaySender = async (target: GatewayTarget): Promise<Sender> => {
  const { origin, ca } = target;
  const domains = Deployment.domains(Deployment.schema.parse(target.deployment));
  const holder = HolderKey.generate();
  const callerOf = (maxConnections: number) => {
    const pool = createConnectionPool(
      (signal) =>
        ca === null ? openPlainConnection(origin) : openConnection({ origin, ca, ...timeouts }, signal),
      maxConnections,
    );
    return { pool, call: createGatewayCaller({ origin, pool, retry: noRetries }) };
  };
  const calls = callerOf(MAX_CONNECTIONS);
  const streams = callerOf(MAX_STREAMS);
  const sessions = createJobSessions(calls.call, createHolderKeyring(holder));
  const jobs = await lockJobs({ target, call: calls.call, sessions, holder, domains });

  const proven = (index: number, { path, headers, body }: Shot) => {
    const job = jobs[index % jobs.length];
    if (job === undefined) throw new Error("There is no job to call with.");
    return {
      method: "POST",
      path,
      headers: { ...headers, [Header.idempotencyKey]: randomUUID() },
      body: Buffer.from(body),
      prover: sessions.prover(job, MAX_COST_NANO),
    } as const;
  };
  return {
    jobIds: jobs.map(({ jobId }) => jobId),
    send: async (index) => outcomeOf(await calls.call(proven(index, target.call))),
    stream: async (index, signal) => {
      const { status, body } = await streams.call({ ...proven(index, target.stream), signal });
      return Buffer.isBuffer(body) ? status : readUntilAborted(body, status);
    },
    close: async () => {
      await Promise.all([calls.pool.close(), streams.pool.close()]);
    },
  };
};

const outcomeOf = ({ status, body }: { status: number; body: unknown }): string => {
  if (status < 400 || !Buffer.isBuffer(body)) return String(status);
  const { error }: { error?: { code?: string } } = JSON.parse(body.toString("utf8"));
  return `${status} ${error?.code ?? ""}`.trim();
};
