import { randomBytes } from "node:crypto";
import { Capability, Constants, type Deployment, HolderKey, Plan, Quote, Wire } from "@tac/protocol";
import type { Holder, Job } from "@tac/sdk";
import type { createJobSessions, GatewayCaller } from "@tac/sdk/transport";
import { privateKeyToAccount } from "viem/accounts";
import type { GatewayTarget } from "./Target.ts";

/** Room for every call of a run; a job's credit is what its quote allows. */
const plan: Plan.Plan = {
  steps: [
    {
      id: "calls",
      kind: "chat",
      model: "sim-chat-small",
      maxInputTokens: 500n,
      maxOutputTokens: 100n,
      maxCalls: 1_000_000,
    },
  ],
};
const LIFETIME_SECONDS = 6n * 3600n;

export type LockTerms = {
  target: GatewayTarget;
  call: GatewayCaller;
  sessions: ReturnType<typeof createJobSessions>;
  holder: Holder;
  domains: Deployment.Domains;
};

/** Quotes and locks the target's jobs, all at once: each waits for a block of the chain. */
export const lockJobs = (terms: LockTerms): Promise<Job[]> =>
  Promise.all(Array.from({ length: terms.target.jobCount }, () => lockJob(terms)));

const lockJob = async (terms: LockTerms): Promise<Job> => {
  const job = await signJob(terms);
  return { ...job, lock: await terms.sessions.lock(job) };
};

/** What the SDK does, but that it can also sign the weaker profile, which needs no TLS. */
const signJob = async ({ target, call, holder, domains }: LockTerms): Promise<Job> => {
  const account = privateKeyToAccount(target.tenantPrivateKey);
  const tenant = Wire.parse(Wire.address, account.address.toLowerCase());
  const signedQuote = await fetchQuote(call, tenant);
  const { quote } = signedQuote;
  const quoteHash = Quote.hash(quote, domains.quote);
  const salt = Wire.toHex(randomBytes(32));
  const capability: Capability.Capability = {
    tenant,
    jobId: Capability.jobId(tenant, salt),
    quoteHash,
    maxSpendNano: quote.ceilingNano,
    holder: HolderKey.thumbprint(holder.jwk),
    binding: target.ca === null ? Capability.BINDING_NONCE : Capability.BINDING_EXPORTER,
    countersigned: false,
    validAfter: quote.issuedAt - 2n * BigInt(Constants.CLOCK_SKEW_SECONDS),
    expiresAt: quote.issuedAt + LIFETIME_SECONDS,
    salt,
  };
  return {
    tenant,
    quoteHash,
    signedQuote,
    jobId: capability.jobId,
    capability,
    capabilityHash: Capability.hash(capability, domains.capability),
    capabilitySignature: await account.signTypedData(Capability.typedData(capability, domains.capability)),
    jwk: holder.jwk,
    lock: null,
  };
};

const fetchQuote = async (call: GatewayCaller, tenant: string): Promise<Quote.SignedQuote> => {
  const { status, body } = await call({
    method: "POST",
    path: "/v1/jobs/quote",
    headers: { "content-type": "application/json" },
    body: Buffer.from(JSON.stringify({ tenant, plan: Plan.toJson(plan) })),
  });
  const text = Buffer.isBuffer(body) ? body.toString("utf8") : "an event stream";
  if (status !== 200) throw new Error(`The quote was answered ${status}: ${text}`);
  return Wire.parse(Quote.signedSchema, JSON.parse(text));
};
