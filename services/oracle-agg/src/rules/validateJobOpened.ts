import { Capability, type Deployment, type FeedEvent, ProtocolError, Quote } from "@tac/protocol";
import type { Address } from "viem";
import type { Job } from "./Job.ts";
import { type Refusal, refuse } from "./Verdict.ts";

export type JobOpenedContext = {
  domains: Deployment.Domains;
  tariffSigners: ReadonlySet<Address>;
  /** The job of this id that the feed opened before, if any. */
  job: Job | null;
};

/**
 * A job stands on a capability whose id is its tenant's own, and on a quote for this tenant and gateway, signed by an
 * accepted signer, that the capability names. The tenant's signature and the lock are the chain's to confirm.
 */
export const validateJobOpened = (
  event: FeedEvent.FeedEvent & { kind: "job-opened" },
  { domains, tariffSigners, job }: JobOpenedContext,
): { ok: true; job: Job } | ({ ok: false } & Refusal) => {
  const { capability, capabilitySignature, signedQuote } = event.body;
  const { quote } = signedQuote;
  if (job !== null) return refuse("job_already_open", `Event ${job.openedSeq} opened the job.`);
  if (Capability.jobId(capability.tenant, capability.salt) !== capability.jobId)
    return refuse("capability_job_id", "The job id is not derived from the tenant and its salt.");
  if (Quote.hash(quote, domains.quote) !== capability.quoteHash)
    return refuse("quote_hash", "The capability names another quote.");
  if (quote.tenant !== capability.tenant) return refuse("quote_tenant", "The quote is for another tenant.");
  if (quote.gateway !== event.gateway) return refuse("quote_gateway", "The quote is for another gateway.");
  if (Quote.planHash(signedQuote.plan) !== quote.planHash)
    return refuse("quote_plan", "The plan is not the quoted one.");
  if (Quote.tariffsHash(signedQuote.tariffs) !== quote.tariffsHash)
    return refuse("quote_tariffs", "The tariffs are not the quoted ones.");
  const inconsistency = inconsistencyOf(signedQuote);
  if (inconsistency !== null) return refuse("quote_steps", inconsistency);
  const signer = Quote.recover(quote, signedQuote.signature, domains.quote);
  if (signer === null || !tariffSigners.has(signer))
    return refuse("quote_signature", "The quote is not signed by an accepted signer.");
  return {
    ok: true,
    job: {
      gateway: event.gateway,
      jobId: capability.jobId,
      openedSeq: event.seq,
      capability,
      capabilityHash: Capability.hash(capability, domains.capability),
      capabilitySignature,
      isEoaSigned: Capability.verifySignature(capability, capabilitySignature, domains.capability),
      signedQuote,
    },
  };
};

// Plan and tariffs are hashed into the quote; the steps are not, and must follow from them.
const inconsistencyOf = (signedQuote: Quote.SignedQuote): string | null => {
  try {
    Quote.checkConsistency(signedQuote);
    return null;
  } catch (error) {
    if (error instanceof ProtocolError) return error.message;
    throw error;
  }
};
