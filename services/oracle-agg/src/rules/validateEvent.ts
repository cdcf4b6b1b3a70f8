import type { Deployment, FeedEvent, Tariff } from "@tac/protocol";
import type { Address, Hex } from "viem";
import { type Job, quotedTariff } from "./Job.ts";
import type { TokenCache } from "./TokenCache.ts";
import { ok, refuse, type Verdict } from "./Verdict.ts";
import { validateCaller } from "./validateCaller.ts";
import { validateJobOpened } from "./validateJobOpened.ts";
import { validateUsage } from "./validateUsage.ts";

/** Facts already read; a rule fetches nothing. */
export type EventContext = {
  domains: Deployment.Domains;
  tariffSigners: ReadonlySet<Address>;
  /** The event's job as the same feed opened it before, or null. */
  job: Job | null;
  /** The tariff `tariffNeeded` asked for, or null when it asked for none. */
  tariff: Tariff.Tariff | null;
  /** Origins the gateway is reached at; null when any may stand in a proof. */
  origins: ReadonlySet<string> | null;
  tokens: TokenCache;
};

export type Validated = Verdict & { opened?: Job };

/** The job an event is about. */
export const jobIdOf = (event: FeedEvent.FeedEvent): Hex => {
  switch (event.kind) {
    case "job-opened":
      return event.body.capability.jobId;
    case "usage":
      return event.body.receipt.jobId;
    case "job-closed":
      return event.body.jobId;
  }
};

/** The hash of the tariff document the event must be checked with. A hash nobody quoted needs no document. */
export const tariffNeeded = (event: FeedEvent.FeedEvent, job: Job | null): Hex | null =>
  event.kind === "usage" && job !== null && quotedTariff(job, event.body.receipt.tariffHash) !== undefined
    ? event.body.receipt.tariffHash
    : null;

/**
 * Everything about an event that holds whatever the chain says. The result never changes for the same event, so a
 * replica computes it once, when the event arrives.
 */
export const validateEvent = (event: FeedEvent.FeedEvent, context: EventContext): Validated => {
  switch (event.kind) {
    case "job-opened": {
      const result = validateJobOpened(event, context);
      return result.ok ? { ...ok(), opened: result.job } : result;
    }
    case "usage":
      return validateUsage(event, context);
    case "job-closed":
      return validateJobClosed(event, context);
  }
};

const validateJobClosed = (
  event: FeedEvent.FeedEvent & { kind: "job-closed" },
  { job, origins, tokens }: EventContext,
): Verdict => {
  if (job === null) return refuse("unknown_job", "The feed opened no such job before.");
  const caller = validateCaller({
    job,
    proof: event.body.proof,
    usageAuth: event.body.usageAuth,
    happenedAtMs: event.recordedAtMs,
    // A holder ends its job by closing it, or by revoking its own capability.
    allowsPath: (path) => path.endsWith("/v1/jobs/close") || path.endsWith("/v1/revocations"),
    origins,
    tokens,
  });
  return "ok" in caller ? caller : ok();
};
