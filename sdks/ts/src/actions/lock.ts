import { randomBytes } from "node:crypto";
import { Capability, Constants, HolderKey, ProtocolError, Wire } from "@tac/protocol";
import type { Hex } from "viem";
import type { ClientCore } from "../ClientCore.ts";
import type { Holder } from "../job/HolderKeyring.ts";
import type { Job, JobOwner, QuotedJob } from "../job/Job.ts";

export type LockOptions = {
  /** Key that may spend the job's credit; the client's own unless given. */
  holder?: Holder;
  /** Demands that every billed call is countersigned by its provider; false unless given. */
  countersigned?: boolean;
  /** How long the capability is good for, in seconds; one hour unless given. */
  lifetimeSeconds?: number;
  /**
   * The team and the user of the tenant whose budgets the job counts against, besides the tenant's own. They are fixed by
   * the lock; names are lower case: letters, digits, `_ . @ -`, at most 64.
   */
  owner?: JobOwner;
  /**
   * Called with the signed job before it is sent. A caller that stores it here can close the job, and so get
   * its credit back, even if the process ends before the gateway has answered.
   */
  onSigned?: (job: Job) => void | Promise<void>;
  signal?: AbortSignal;
};

const DEFAULT_LIFETIME_SECONDS = 3600;

/**
 * Signs the capability of a quoted job and has the gateway lock its credit on chain. `maxSpendNano` is in
 * nanocredits, the quote's ceiling unless given. A job that was locked before only gets a fresh token. Throws
 * `quote_expired`, `invalid_request` for an amount that cannot be locked, and what the gateway answers.
 */
export async function lock(
  core: ClientCore,
  job: QuotedJob | Job,
  maxSpendNano?: bigint,
  options: LockOptions = {},
): Promise<Job> {
  const signed = "capability" in job ? job : await signCapability(core, job, maxSpendNano, options);
  if (maxSpendNano !== undefined && signed.capability.maxSpendNano !== maxSpendNano) {
    throw new ProtocolError("invalid_request", {
      detail: "The job is already signed for another amount.",
      param: "maxSpendNano",
    });
  }
  await options.onSigned?.(signed);
  return { ...signed, lock: await core.sessions.lock(signed, options) };
}

async function signCapability(
  core: ClientCore,
  job: QuotedJob,
  maxSpendNano: bigint | undefined,
  options: LockOptions,
): Promise<Job> {
  const { quote } = job.signedQuote;
  const amountNano = maxSpendNano ?? quote.ceilingNano;
  if (amountNano <= 0n || amountNano > quote.ceilingNano) {
    throw new ProtocolError("invalid_request", {
      detail: `The amount to lock is not between 1 and the quote's ceiling of ${quote.ceilingNano} nanocredits.`,
      param: "maxSpendNano",
    });
  }
  if (BigInt(Math.floor(Date.now() / 1000)) >= quote.expiresAt) throw new ProtocolError("quote_expired");
  const holder = options.holder ?? core.keyring.defaultHolder;
  core.keyring.add(holder);
  const salt: Hex = Wire.toHex(randomBytes(32));
  const capability: Capability.Capability = {
    tenant: job.tenant,
    jobId: Capability.jobId(job.tenant, salt),
    quoteHash: job.quoteHash,
    maxSpendNano: amountNano,
    holder: HolderKey.thumbprint(holder.jwk),
    binding: Capability.BINDING_EXPORTER,
    countersigned: options.countersigned ?? false,
    // The chain's clock is that of its last block, which may be some seconds behind.
    validAfter: quote.issuedAt - 2n * BigInt(Constants.CLOCK_SKEW_SECONDS),
    expiresAt: quote.issuedAt + BigInt(options.lifetimeSeconds ?? DEFAULT_LIFETIME_SECONDS),
    salt,
  };
  const domain = core.domains.capability;
  return {
    ...job,
    jobId: capability.jobId,
    capability,
    capabilityHash: Capability.hash(capability, domain),
    capabilitySignature: await core.signer.sign(Capability.typedData(capability, domain)),
    jwk: holder.jwk,
    lock: null,
  };
}
