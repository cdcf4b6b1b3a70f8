import { Deployment, type Invoice, type Plan, Wire } from "@tac/protocol";
import type { Address, Hex } from "viem";
import { z } from "zod";
import { type ClosedJob, type CloseOptions, close } from "./actions/close.ts";
import { type InvoiceOptions, invoice } from "./actions/invoice.ts";
import { type FetchOptions, jobFetch } from "./actions/jobFetch.ts";
import { type LockOptions, lock } from "./actions/lock.ts";
import { type QuoteOptions, quote } from "./actions/quote.ts";
import { type ReceiptOptions, receipt, type SignedReceipt } from "./actions/receipt.ts";
import { type ReleasedJob, type ReleaseOptions, release } from "./actions/release.ts";
import { type RunOptions, run } from "./actions/run.ts";
import { type JobStatus, jobStatus, type SettlementOptions, settlement } from "./actions/settlement.ts";
import type { ClientCore } from "./ClientCore.ts";
import { createGatewayCaller } from "./call/createGatewayCaller.ts";
import type { RetryOptions } from "./call/retryPolicy.ts";
import { type ExportedJob, type ExportOptions, exportJob, importJob } from "./job/exportJob.ts";
import { createHolderKeyring, type Holder } from "./job/HolderKeyring.ts";
import type { Job, QuotedJob } from "./job/Job.ts";
import { createJobSessions } from "./job/JobSessions.ts";
import type { RunEvent } from "./run/RunEvent.ts";
import type { StepInputs } from "./run/StepInput.ts";
import { type Tenant, toTenantSigner, walletOf } from "./tenant/TenantSigner.ts";
import { type ConnectionOptions, openConnection } from "./transport/Connection.ts";
import { createConnectionPool } from "./transport/ConnectionPool.ts";

export type ClientOptions = {
  /** `https://host[:port]` of the gateway. */
  gatewayUrl: string;
  /** The content of `addresses.json`, parsed or not. */
  deployment: Deployment.Deployment | ReturnType<typeof Deployment.toJson>;
  /** Signs quotes into capabilities: a viem account, a viem wallet client with one, or an ethers v6 Signer. */
  tenant: Tenant;
  /** P-256 key pair that proves calls; made fresh for this client unless given. */
  holder?: Holder;
  /** PEM certificates trusted instead of the system's. */
  ca?: string | (() => string);
  billingUrl?: string;
  /** Accept quotes of this signer only. */
  tariffSigner?: Address;
  /** Most TLS connections at a time, and so most calls at a time; 64 unless given. */
  maxConnections?: number;
  timeouts?: Partial<Pick<ConnectionOptions, Timeout>>;
  retry?: Partial<RetryOptions>;
};

type Timeout = "connectTimeoutMs" | "idleTimeoutMs" | "headersTimeoutMs" | "bodyTimeoutMs";

/** Quote, lock, run, settlement: what a tenant does with the gateway. */
export type Client = {
  /** Asks for a signed price promise for a plan; only sizes are sent, never prompts. */
  quote(plan: Plan.Plan, options?: QuoteOptions): Promise<QuotedJob>;
  /** Signs for a quoted job and locks its credit; `maxSpendNano` is the quote's ceiling unless given. */
  lock(job: QuotedJob | Job, maxSpendNano?: bigint, options?: LockOptions): Promise<Job>;
  /** Runs the steps of a locked job, or quotes, locks, runs and closes a plan. */
  run(jobOrPlan: Job | Plan.Plan, inputs: StepInputs, options?: RunOptions): AsyncGenerator<RunEvent, void>;
  /** A `fetch` for OpenAI's client whose calls the job pays for. */
  fetch(job: Job, options?: FetchOptions): typeof globalThis.fetch;
  /** Ends the job, so that its next settlement releases what is left of the lock. */
  close(job: Job, options?: CloseOptions): Promise<ClosedJob>;
  /**
   * Gives back what is left in the lock of a job that was never closed or settled to its end, once its expiry and grace
   * have passed; gateways do so too, a while later. Needs a viem wallet client, that of any account.
   */
  release(job: Pick<Job, "jobId">, options?: ReleaseOptions): Promise<ReleasedJob>;
  status(job: Job, signal?: AbortSignal): Promise<JobStatus>;
  /** Waits until a closed job is settled on chain. */
  settlement(job: Job, options?: SettlementOptions): Promise<JobStatus>;
  receipt(job: Job, receiptId: Hex, options?: ReceiptOptions): Promise<SignedReceipt>;
  invoice(job: Job, options?: InvoiceOptions): Promise<Invoice.Invoice>;
  /** The job as plain JSON, to resume it elsewhere. The holder's private key is left out unless asked for. */
  exportJob(job: Job, options?: ExportOptions): ExportedJob;
  importJob(exported: unknown): Job;
  /** Closes all connections; running calls fail. */
  shutdown(): Promise<void>;
};

const DEFAULT_TIMEOUTS = {
  connectTimeoutMs: 10_000,
  idleTimeoutMs: 30_000,
  headersTimeoutMs: 120_000,
  bodyTimeoutMs: 60_000,
};
const DEFAULT_RETRY: RetryOptions = { maxRetries: 3, baseDelayMs: 250, maxDelayMs: 10_000 };

/** Throws `invalid_request` when the gateway is not https, or the deployment is not one. */
export function createClient(options: ClientOptions): Client {
  const origin = parseOrigin(options.gatewayUrl);
  const deployment = Wire.parse(Deployment.schema, toPlain(options.deployment));
  const connectionOptions = { ...DEFAULT_TIMEOUTS, ...options.timeouts, origin, ca: options.ca };
  const pool = createConnectionPool(
    (signal) => openConnection(connectionOptions, signal),
    options.maxConnections ?? 64,
  );
  const callGateway = createGatewayCaller({ origin, pool, retry: { ...DEFAULT_RETRY, ...options.retry } });
  const keyring = createHolderKeyring(options.holder);
  const core: ClientCore = {
    origin,
    callGateway,
    domains: Deployment.domains(deployment),
    creditVault: deployment.creditVault,
    wallet: walletOf(options.tenant),
    signer: toTenantSigner(options.tenant),
    keyring,
    sessions: createJobSessions(callGateway, keyring),
    tariffSigner: options.tariffSigner && Wire.parse(Wire.address, options.tariffSigner.toLowerCase()),
    billingUrl: options.billingUrl?.replace(/\/+$/, ""),
    ca: options.ca,
  };
  return {
    quote: (plan, quoteOptions) => quote(core, plan, quoteOptions),
    lock: (job, maxSpendNano, lockOptions) => lock(core, job, maxSpendNano, lockOptions),
    run: (jobOrPlan, inputs, runOptions) => run(core, jobOrPlan, inputs, runOptions),
    fetch: (job, fetchOptions) => jobFetch(core, job, fetchOptions),
    close: (job, closeOptions) => close(core, job, closeOptions),
    release: (job, releaseOptions) => release(core, job, releaseOptions),
    status: (job, signal) => jobStatus(core, job, signal),
    settlement: (job, settlementOptions) => settlement(core, job, settlementOptions),
    receipt: (job, receiptId, receiptOptions) => receipt(core, job, receiptId, receiptOptions),
    invoice: (job, invoiceOptions) => invoice(core, job, invoiceOptions),
    exportJob: (job, exportOptions) => exportJob(job, keyring, exportOptions),
    importJob: (exported) => importJob(exported, keyring, core.domains.capability),
    shutdown: () => pool.close(),
  };
}

// A proof is bound to a TLS connection, so there is no plain HTTP.
const httpsUrl = z.url({ protocol: /^https$/, error: "expected an https URL" });

function parseOrigin(gatewayUrl: string): string {
  const url = Wire.parse(httpsUrl, gatewayUrl);
  return new URL(url).origin;
}

/** A deployment already parsed holds a bigint, which its schema reads from digits. */
function toPlain(deployment: ClientOptions["deployment"]) {
  return { ...deployment, startBlock: deployment.startBlock.toString() };
}
