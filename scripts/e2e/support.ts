import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type Client, createClient, type Job } from "@tac/sdk";
import { Agent, request } from "undici";
import { generatePrivateKey, type PrivateKeyAccount, privateKeyToAccount } from "viem/accounts";
import { inputs, plan } from "../demo/plan.ts";
import { fundGas } from "../stack/chain.ts";
import { type PartName, repositoryDir } from "../stack/layout.ts";
import { silentProgress } from "../stack/progress.ts";
import { forget } from "../stack/reset.ts";
import type { Stack } from "../stack/Stack.ts";
import { fundTenant } from "../stack/seed.ts";
import { startOwnStack } from "../stack/start.ts";
import { urlOf } from "../stack/urlOf.ts";

/** Tests get the stack when they run, not when they are declared. */
export type StackOf = () => Stack;

export const startTestStack = (): Promise<Stack> =>
  startOwnStack(join(repositoryDir, ".local", `e2e-${process.pid}`), silentProgress);

export const stopTestStack = async (stack: Stack): Promise<void> => {
  await stack.stop();
  if (process.env.KEEP_LOGS === undefined) forget(stack.layout);
};

export type TenantSession = { account: PrivateKeyAccount; credits: Client };

/** A new tenant with ten dollars in the vault, and a client that signs for it. */
export const openTenant = async ({
  chain,
  deployment,
  layout,
  certificates,
}: Stack): Promise<TenantSession> => {
  const account = privateKeyToAccount(generatePrivateKey());
  await fundGas(chain.client, [account.address]);
  await fundTenant(chain.client, deployment, account, 10_000_000n);
  const credits = createClient({
    gatewayUrl: urlOf(layout, "gateway"),
    billingUrl: urlOf(layout, "billing"),
    deployment,
    tenant: account,
    ca: () => readFileSync(certificates.caFile, "utf8"),
  });
  return { account, credits };
};

/** Quotes, locks and runs the demo's two steps; returns the job, still open, and what the calls cost. */
export const runPlan = async (credits: Client): Promise<{ job: Job; costNano: bigint }> => {
  const job = await credits.lock(await credits.quote(plan));
  let costNano = 0n;
  for await (const event of credits.run(job, inputs)) if (event.type === "done") costNano = event.costNano;
  return { job, costNano };
};

export const getJson = async <T>(stack: Stack, name: PartName, path: string): Promise<T> => {
  const agent = new Agent({ connect: { ca: readFileSync(stack.certificates.caFile) } });
  try {
    const { statusCode, body } = await request(`${urlOf(stack.layout, name)}${path}`, { dispatcher: agent });
    const text = await body.text();
    if (statusCode !== 200) throw new Error(`${name}${path} answered ${statusCode}: ${text}`);
    return JSON.parse(text) as T;
  } finally {
    await agent.close();
  }
};
