import { Capability, Errors, type FeedEvent } from "@tac/protocol";
import type { Hex } from "viem";
import { assertIssuable } from "../auth/issueUsageAuth.ts";
import type { ChainPort } from "../chain/ChainPort.ts";
import type { Identity } from "../deps.ts";
import type { FeedWriter } from "../feed/FeedWriter.ts";
import type { RevocationFeed } from "../revocation/RevocationFeed.ts";
import type { RevocationStore } from "../revocation/RevocationStore.ts";
import { checkGrant, checkGrantTime, checkPrices, type Grant, type GrantContext } from "./checkGrant.ts";
import type { Job, JobState } from "./Job.ts";
import { insertJob, type JobStore, type LockProof } from "./JobStore.ts";
import type { TariffStore } from "./TariffStore.ts";

export type LockDeps = {
  identity: Pick<Identity, "gatewayPrivateKey">;
  usageAuthLifetimeSeconds: number;
  chain: ChainPort;
  jobs: JobStore;
  tariffs: TariffStore;
  feed: FeedWriter;
  revocations: RevocationStore;
  revocationFeed: RevocationFeed;
};

export type LockedJob = { job: Job; state: JobState; proof: LockProof };

/**
 * Opens a job: checks the grant, locks the credit on chain unless it is locked already, and stores the job with its
 * event. Safe to repeat at any point: each step finds what an earlier attempt has done. A job that is here already is
 * given as it is, whatever became of it since, so that its holder can follow its settlement.
 * Errors: those of `checkGrant`, `checkGrantTime`, `assertIssuable` and of the chain, `quote_expired`, `job_closed`.
 */
export async function lockJob(deps: LockDeps, grant: Grant, context: GrantContext): Promise<LockedJob> {
  const { capability } = grant;
  const capabilityHash = Capability.hash(capability, context.domains.capability);
  const known = await deps.jobs.find(capability.jobId);
  // Who signed the quote of a job that is here was checked when it came, and may have been replaced since.
  const isHere = known?.capabilityHash === capabilityHash;
  checkGrant(grant, isHere ? { ...context, tariffSigners: [grant.signedQuote.signer] } : context);
  if (known === null) {
    checkGrantTime(grant, context);
    refuseUnissuable(deps, grant, capabilityHash, context);
    checkPrices(grant.signedQuote, await deps.tariffs.ensure(grant.signedQuote.tariffs));
    const { proof, lockedNano } = await lockOnChain(deps.chain, grant, capabilityHash, context);
    const event: FeedEvent.FeedBody = { kind: "job-opened", body: feedBody(grant) };
    await deps.feed.change(event, (transaction) =>
      insertJob(transaction, grant, capabilityHash, lockedNano, proof),
    );
    await refuseRevoked(deps, capability);
  } else if (known.capabilityHash !== capabilityHash) {
    throw Errors.fromCode("invalid_capability", { detail: "The job was locked with another capability." });
  } else {
    await refuseOtherOwner(deps, grant);
  }
  return storedJob(deps, capability.jobId);
}

/** Credit locked for a job that never gets a token would come back with the end of the capability alone. */
function refuseUnissuable(
  { identity, usageAuthLifetimeSeconds }: LockDeps,
  { capability, jwk, signedQuote }: Grant,
  capabilityHash: Hex,
  { nowSeconds }: GrantContext,
): void {
  assertIssuable(
    { jobId: capability.jobId, capabilityHash, capability, jwk, signedQuote, tariffs: new Map() },
    { lifetimeSeconds: usageAuthLifetimeSeconds, nowSeconds, privateKey: identity.gatewayPrivateKey },
  );
}

/** A job stays with the team and the user it was locked for; who repeats the request need not name them. */
async function refuseOtherOwner({ jobs }: LockDeps, { capability, owner }: Grant): Promise<void> {
  const stored = await jobs.ownerOf(capability.jobId);
  const isOther = (["team", "user"] as const).some(
    (level) => owner[level] !== undefined && owner[level] !== stored[level],
  );
  if (isOther) {
    throw Errors.fromCode("invalid_request", {
      param: "owner",
      detail: "The job was locked for another team or user.",
    });
  }
}

async function storedJob({ jobs }: LockDeps, jobId: Hex): Promise<LockedJob> {
  const [job, proof, state] = await Promise.all([jobs.find(jobId), jobs.lockProof(jobId), jobs.state(jobId)]);
  if (job === null || proof === null || state === null) throw new Error("A stored job is incomplete");
  return { job, proof, state };
}

async function lockOnChain(
  chain: ChainPort,
  { capability, capabilitySignature, signedQuote }: Grant,
  capabilityHash: string,
  { nowSeconds }: GrantContext,
): Promise<{ proof: LockProof; lockedNano: bigint }> {
  let lock = await chain.lockOf(capability.jobId);
  if (lock.state === "none") {
    if (BigInt(nowSeconds) >= signedQuote.quote.expiresAt) throw Errors.fromCode("quote_expired");
    const proof = await chain.submitLock(capability, capabilitySignature);
    if (proof !== null) return { proof, lockedNano: capability.maxSpendNano };
    lock = await chain.lockOf(capability.jobId);
  }
  if (lock.state === "closed") throw Errors.fromCode("job_closed");
  await chain.verifyCapability(capability, capabilitySignature);
  const event = await chain.lockEvent(capability.jobId);
  if (event === null || event.capabilityHash !== capabilityHash) {
    throw Errors.fromCode("invalid_capability", {
      detail: "The chain locked this job with another capability.",
    });
  }
  return { proof: event, lockedNano: lock.remainingNano };
}

/** The watcher may have passed the block of a revocation, and the tenant revoked all by API, before the job was stored. */
async function refuseRevoked(
  { chain, revocations, revocationFeed }: LockDeps,
  { tenant, jobId, validAfter }: Capability.Capability,
): Promise<void> {
  const revokedAtSeconds = await chain.revokedAt(tenant, jobId, validAfter);
  const jobIds =
    revokedAtSeconds === 0
      ? await revocations.revokeLate(jobId)
      : await revocations.recordChain(tenant, jobId, revokedAtSeconds * 1000);
  if (jobIds.length > 0) await revocationFeed.announce();
}

function feedBody({ capability, capabilitySignature, signedQuote }: Grant): FeedEvent.JobOpened {
  return { capability, capabilitySignature, signedQuote };
}
