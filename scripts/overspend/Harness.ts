import { HolderKey, type Plan } from "@tac/protocol";
import { createClient, type Job } from "@tac/sdk";
import type { Hex } from "viem";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { withDatabase } from "../spending/audit.ts";
import { openSpender, type Spender } from "../spending/Spender.ts";
import { fundGas } from "../stack/chain.ts";
import type { Stack } from "../stack/Stack.ts";
import { fundTenant } from "../stack/seed.ts";
import type { Fleet } from "./Fleet.ts";

/** Room for every call of a phase, so that the lock alone decides how many are admitted. */
const plan: Plan.Plan = {
  steps: [
    {
      id: "calls",
      kind: "chat",
      model: "sim-chat-small",
      maxInputTokens: 2_000n,
      maxOutputTokens: 400n,
      maxCalls: 10_000,
    },
  ],
};

/** A thousand dollars, in units of an asset with six decimals. */
const TENANT_ASSETS = 1_000_000_000n;
const SETTLEMENT_MS = 180_000;

/** What every phase works with: one tenant, a fleet of gateways, and jobs of any size. */
export type Harness = {
  stack: Stack;
  fleet: Fleet;
  /** Locks a job of `lockNano` and opens it to as many connections. */
  openJob: (lockNano: bigint, maxConnections: number) => Promise<Spender>;
  /** What a call with this body holds, found out by making one. */
  holdOf: (body: object) => Promise<bigint>;
  /** Closes every job and waits until all have settled on chain. */
  settle: () => Promise<readonly Job[]>;
  close: () => Promise<void>;
};

export const openHarness = async (stack: Stack, fleet: Fleet): Promise<Harness> => {
  const account = privateKeyToAccount(generatePrivateKey());
  await fundGas(stack.chain.client, [account.address]);
  await fundTenant(stack.chain.client, stack.deployment, account, TENANT_ASSETS);
  const spenders: Spender[] = [];
  const { deployment } = stack;

  const holder = HolderKey.generate();
  const credits = createClient({
    gatewayUrl: fleet.origin,
    deployment,
    tenant: account,
    ca: stack.certificates.ca,
    holder,
  });
  const openJob = async (lockNano: bigint, maxConnections: number): Promise<Spender> => {
    const job = await credits.lock(await credits.quote(plan), lockNano, { holder, lifetimeSeconds: 7_200 });
    const spender = openSpender(fleet, job, holder, maxConnections);
    spenders.push(spender);
    return spender;
  };
  const holdOf = async (body: object): Promise<bigint> => {
    const { job, call } = await openJob(100_000_000n, 1);
    const { status } = await call(body);
    if (status !== 200) throw new Error(`The first call was answered ${status}.`);
    return withDatabase(stack, async (client) => {
      const { rows } = await client.query<{ hold: string }>(
        "SELECT hold_nano::text AS hold FROM calls WHERE job_id = $1",
        [bytes(job.jobId)],
      );
      return BigInt(rows[0]?.hold ?? 0);
    });
  };
  return {
    stack,
    fleet,
    openJob,
    holdOf,
    settle: async () => {
      const jobs = spenders.map(({ job }) => job);
      for (const job of jobs) await credits.close(job);
      for (const job of jobs) await credits.settlement(job, { timeoutMs: SETTLEMENT_MS });
      return jobs;
    },
    close: async () => {
      await Promise.all(spenders.map((spender) => spender.close()));
      await credits.shutdown();
    },
  };
};

const bytes = (hex: Hex): Buffer => Buffer.from(hex.slice(2), "hex");
