import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { HolderKey, type Plan } from "@tac/protocol";
import { createClient, type Job } from "@tac/sdk";
import { openConnection } from "@tac/sdk/transport";
import type { Hex } from "viem";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { chatBody } from "../spending/bodies.ts";
import { type CallEnd, openSpender, type Spender } from "../spending/Spender.ts";
import { fundGas } from "../stack/chain.ts";
import type { Stack } from "../stack/Stack.ts";
import { fundTenant } from "../stack/seed.ts";
import { urlOf } from "../stack/urlOf.ts";

/** A call as its caller saw it; times in Unix ms. */
export type Call = { dueAtMs: number; end: CallEnd["status"] };

/** Calls at a fixed rate, whatever becomes of them, until it is stopped. */
export type Load = {
  jobIds: readonly Hex[];
  calls: () => readonly Call[];
  /** Makes no further call and waits for those under way. */
  stop: () => Promise<void>;
  /** Closes every job and waits until the chain has settled and released it. */
  settle: () => Promise<void>;
  close: () => Promise<void>;
};

/** Two providers, so that a job has two lines in a batch. */
const plan: Plan.Plan = {
  steps: [
    {
      id: "chat",
      kind: "chat",
      model: "sim-chat-small",
      maxInputTokens: 2_000n,
      maxOutputTokens: 400n,
      maxCalls: 100_000,
    },
    {
      id: "embed",
      kind: "embeddings",
      model: "sim-embed",
      maxInputTokens: 2_000n,
      maxOutputTokens: 0n,
      maxCalls: 100_000,
    },
  ],
};

/** A thousand dollars, in units of an asset with six decimals. */
const TENANT_ASSETS = 1_000_000_000n;
/** Ten credits: far more than a run spends, so that every refusal is a fault's. */
const LOCK_NANO = 10_000_000_000n;
const CONNECTIONS_A_JOB = 32;
const LIFETIME_SECONDS = 7_200;
const SETTLEMENT_MS = 120_000;

const timeouts = {
  connectTimeoutMs: 5_000,
  idleTimeoutMs: 60_000,
  headersTimeoutMs: 30_000,
  bodyTimeoutMs: 30_000,
};

/** Every fourth call is of the other provider. */
const callOnce = ({ call }: Spender, index: number): Promise<CallEnd> =>
  index % 4 === 3
    ? call(
        { model: "sim-embed", input: "How much is left?" },
        { path: "/v1/embeddings", idempotencyKey: randomUUID() },
      )
    : call(chatBody({ latencyMs: 20, outputTokens: 20 }));

export const startLoad = async (
  stack: Stack,
  { rate, jobs: jobCount }: { rate: number; jobs: number },
): Promise<Load> => {
  const { deployment, certificates, layout, chain } = stack;
  const tenant = privateKeyToAccount(generatePrivateKey());
  await fundGas(chain.client, [tenant.address]);
  await fundTenant(chain.client, deployment, tenant, TENANT_ASSETS);
  const origin = urlOf(layout, "gateway");
  const holder = HolderKey.generate();
  const ca = (): string => readFileSync(certificates.caFile, "utf8");
  const credits = createClient({ gatewayUrl: origin, deployment, tenant, ca, holder });
  const jobs: Job[] = [];
  for (let index = 0; index < jobCount; index += 1)
    jobs.push(
      await credits.lock(await credits.quote(plan), LOCK_NANO, { holder, lifetimeSeconds: LIFETIME_SECONDS }),
    );
  const gateways = {
    origin,
    connect: (signal?: AbortSignal) => openConnection({ origin, ca: ca(), ...timeouts }, signal),
  };
  const spenders = jobs.map((job) => openSpender(gateways, job, holder, CONNECTIONS_A_JOB));

  const calls: Call[] = [];
  const underWay = new Set<Promise<void>>();
  const startedAt = Date.now();
  let isStopped = false;
  const make = (index: number, dueAtMs: number): void => {
    const spender = spenders[index % spenders.length];
    if (spender === undefined) return;
    const made = callOnce(spender, Math.floor(index / spenders.length)).then(({ status }) => {
      calls.push({ dueAtMs, end: status });
      underWay.delete(made);
    });
    underWay.add(made);
  };
  const calling = (async () => {
    for (let index = 0; !isStopped; index += 1) {
      const dueAtMs = startedAt + (index * 1_000) / rate;
      await sleep(Math.max(0, dueAtMs - Date.now()));
      make(index, dueAtMs);
    }
  })();
  return {
    jobIds: jobs.map(({ jobId }) => jobId),
    calls: () => calls,
    stop: async () => {
      isStopped = true;
      await calling;
      await Promise.all(underWay);
    },
    settle: async () => {
      for (const job of jobs) await credits.close(job);
      for (const job of jobs) await credits.settlement(job, { timeoutMs: SETTLEMENT_MS });
    },
    close: async () => {
      isStopped = true;
      await calling;
      await Promise.all(spenders.map((spender) => spender.close()));
      await credits.shutdown();
    },
  };
};
