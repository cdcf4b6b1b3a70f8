import { Capability, Deployment, HolderKey, Quote, UsageAuth } from "@tac/protocol";
import { type Client, createClient, type Job } from "@tac/sdk";
import { generatePrivateKey, type PrivateKeyAccount, privateKeyToAccount } from "viem/accounts";
import { plan } from "../demo/plan.ts";
import { fundGas } from "../stack/chain.ts";
import type { Stack } from "../stack/Stack.ts";
import { fundTenant } from "../stack/seed.ts";
import { urlOf } from "../stack/urlOf.ts";
import { Attacker, type Holder } from "./Attacker.ts";

export type Victim = {
  account: PrivateKeyAccount;
  credits: Client;
  job: Job;
  /** The key that may spend the job's credit. */
  holder: Holder;
  /** A good token of the job. */
  token: string;
};

/** Everything an attack may use: two tenants with a job each, a connection of the victim's, and one of the attacker's. */
export type Scene = {
  stack: Stack;
  origin: string;
  ca: string;
  domains: Deployment.Domains;
  victim: Victim;
  other: Victim;
  /** The victim's own connection and key: what a proof is stolen from. */
  honest: Attacker;
  /** The attacker's own connection and key. */
  attacker: Attacker;
  /** Another connection, with the victim's key: the strongest thief. */
  connect: (holder: Holder) => Promise<Attacker>;
  open: () => Promise<Victim>;
  close: () => Promise<void>;
};

/** The body of a small honest call. */
export const chatBody = (fields: object = {}): string =>
  JSON.stringify({
    model: "sim-chat-small",
    messages: [{ role: "user", content: "PROMPT-MARK: what is a lock?" }],
    max_tokens: 8,
    ...fields,
  });

export const lockBody = (job: Job, changes: object = {}): string =>
  JSON.stringify({
    signedQuote: Quote.signedToJson(job.signedQuote),
    capability: Capability.toJson(job.capability),
    capabilitySignature: job.capabilitySignature,
    jwk: job.jwk,
    ...changes,
  });

export const openScene = async (stack: Stack): Promise<Scene> => {
  const origin = urlOf(stack.layout, "gateway");
  const { ca } = stack.certificates;
  const { deployment } = stack;
  const connections: Attacker[] = [];
  const clients: Client[] = [];

  const connect = async (holder: Holder): Promise<Attacker> => {
    const connection = await Attacker.connect(origin, ca, holder);
    connections.push(connection);
    return connection;
  };
  const open = async (): Promise<Victim> => {
    const account = privateKeyToAccount(generatePrivateKey());
    await fundGas(stack.chain.client, [account.address]);
    await fundTenant(stack.chain.client, deployment, account, 10_000_000n);
    const holder = HolderKey.generate();
    const credits = createClient({ gatewayUrl: origin, deployment, tenant: account, ca });
    clients.push(credits);
    const job = await credits.lock(await credits.quote(plan), undefined, { holder });
    const connection = await connect(holder);
    const answer = await connection.send({ path: "/v1/jobs/lock", body: lockBody(job) });
    const { usageAuth } = JSON.parse(answer.text) as { usageAuth: string };
    return { account, credits, job, holder, token: usageAuth };
  };
  const [victim, other] = [await open(), await open()];
  return {
    stack,
    origin,
    ca,
    domains: Deployment.domains(deployment),
    victim,
    other,
    honest: await connect(victim.holder),
    attacker: await connect(HolderKey.generate()),
    connect,
    open,
    close: async () => {
      await Promise.all(connections.map((connection) => connection.close()));
      await Promise.all(clients.map((client) => client.shutdown()));
    },
  };
};

/** The token's claims as its issuer knew them, so that an attack may change one of them. */
export const claimsOf = (token: string): UsageAuth.Claims => {
  const {
    gateway: _gateway,
    holder: _holder,
    ...claims
  } = UsageAuth.verify(token, {
    nowSeconds: Math.floor(Date.now() / 1000),
    isGateway: () => true,
  });
  return claims;
};
