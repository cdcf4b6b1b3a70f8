import { FetchError, fetchJson } from "@tac/kit";
import { Capability, Errors, HolderKey, Plan, Quote, Wire } from "@tac/protocol";
import type { FastifyInstance } from "fastify";
import { z } from "zod";
import { issueUsageAuth } from "../auth/issueUsageAuth.ts";
import type { Deps } from "../deps.ts";
import { callsEnded } from "../jobs/callsEnded.ts";
import { closeJob } from "../jobs/closeJob.ts";
import { endOf } from "../jobs/Job.ts";
import { jobView } from "../jobs/jobView.ts";
import { lockJob } from "../jobs/lockJob.ts";
import { budgetSubject } from "../ledger/Budget.ts";
import { readJson, SMALL_BODY } from "./readJson.ts";

const quoteSchema = z.strictObject({ tenant: Wire.address, plan: Plan.schema });
const lockSchema = z.strictObject({
  signedQuote: Quote.signedSchema,
  capability: Capability.schema,
  capabilitySignature: Wire.accountSignature,
  jwk: HolderKey.schema,
  owner: z
    .strictObject({ team: budgetSubject.exactOptional(), user: budgetSubject.exactOptional() })
    .default({}),
});
const jobParams = z.object({ jobId: Wire.bytes32 });

export function addJobRoutes(app: FastifyInstance, deps: Deps): void {
  const { identity, authenticator, rateLimits } = deps;
  const quoteLimits = { ...SMALL_BODY, config: { rateLimit: { max: rateLimits.quotesPerMinute } } };

  app.post("/v1/jobs/quote", quoteLimits, async (request) => {
    const { tenant, plan } = readJson(quoteSchema, request.body);
    return Quote.signedToJson(await fetchQuote(deps, tenant, plan));
  });

  app.post("/v1/jobs/lock", SMALL_BODY, async (request) => {
    const grant = readJson(lockSchema, request.body);
    const { holder, binding, jobId } = grant.capability;
    const proof = authenticator.verifyProof(request, { holder, binding, usageAuthToken: null });
    await authenticator.spend(jobId, proof);
    const nowSeconds = Math.floor(deps.nowMs() / 1000);
    const {
      job,
      state,
      proof: lock,
    } = await lockJob(deps, grant, {
      gateway: identity.gateway,
      tariffSigners: deps.tariffSigners,
      domains: identity.domains,
      nowSeconds,
      bindsConnections: deps.bindsConnections,
    });
    const endedBy = endOf(state, deps.nowMs());
    const { usageAuth, expiresAt } = issueUsageAuth(job, state, {
      lifetimeSeconds: deps.usageAuthLifetimeSeconds,
      nowSeconds,
      privateKey: identity.gatewayPrivateKey,
      hasEnded: endedBy !== null,
    });
    return {
      jobId,
      capabilityHash: job.capabilityHash,
      transactionHash: lock.transactionHash,
      blockNumber: lock.blockNumber.toString(),
      usageAuth,
      usageAuthExpiresAt: expiresAt,
      lockedNano: state.lockedNano.toString(),
      spentNano: state.spentNano.toString(),
      // Not null: the token reads the job and its receipts, and everything else is refused with this code.
      endedBy,
    };
  });

  app.post("/v1/jobs/close", SMALL_BODY, async (request) => {
    const caller = await authenticator.authenticate(request, "spend");
    readJson(z.strictObject({}), request.body);
    const { jobId } = caller.job;
    await authenticator.spend(jobId, caller.proof);
    await callsEnded(deps.pool, jobId);
    return closeJob(deps, { jobId, proof: caller.proof.jwt, usageAuth: caller.usageAuthToken });
  });

  app.get("/v1/jobs/:jobId", async (request) => {
    const { jobId } = Wire.parse(jobParams, request.params);
    const caller = await authenticator.authenticate(request, "read", jobId);
    await authenticator.spend(jobId, caller.proof);
    await deps.charges.ofTenant(caller.job.capability.tenant);
    return jobView(deps, jobId);
  });
}

async function fetchQuote(
  { identity, tariffUrl }: Deps,
  tenant: string,
  plan: Plan.Plan,
): Promise<Quote.SignedQuote> {
  try {
    return await fetchJson(new URL("/v1/quotes", tariffUrl).href, {
      schema: Quote.signedSchema,
      body: { tenant, gateway: identity.gateway, plan: Plan.toJson(plan) },
    });
  } catch (cause) {
    if (!(cause instanceof FetchError)) throw cause;
    if (cause.code !== undefined && Errors.isErrorCode(cause.code))
      throw Errors.fromCode(cause.code, { cause });
    throw Errors.fromCode("store_unavailable", { detail: "The tariff service gives no quote.", cause });
  }
}
