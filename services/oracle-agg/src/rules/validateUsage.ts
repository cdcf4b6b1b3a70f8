import {
  type Deployment,
  type FeedEvent,
  Pricing,
  type Tariff,
  UsageReceipt,
  UsageReport,
  Wire,
} from "@tac/protocol";
import type { Address, Hex } from "viem";
import { type Job, quotedTariff } from "./Job.ts";
import type { TokenCache } from "./TokenCache.ts";
import { ok, type Refusal, refuse, type Verdict } from "./Verdict.ts";
import { validateCaller } from "./validateCaller.ts";

const METERED_PATHS = new Set(["/v1/execute", "/v1/chat/completions", "/v1/embeddings"]);
const isMetered = (path: string): boolean => METERED_PATHS.has(path);
const CLOCK_SKEW_MS = 60_000n;

export type UsageContext = {
  domains: Deployment.Domains;
  job: Job | null;
  /** The tariff of the receipt's hash; null only when the job's quote does not name that hash. */
  tariff: Tariff.Tariff | null;
  origins: ReadonlySet<string> | null;
  tokens: TokenCache;
};

type UsageEvent = FeedEvent.FeedEvent & { kind: "usage" };

/** Everything about a metered call that does not need the chain. */
export const validateUsage = (event: UsageEvent, context: UsageContext): Verdict => {
  const { receipt, receiptSignature } = event.body;
  const { job, domains } = context;
  if (receipt.gateway !== event.gateway)
    return refuse("receipt_gateway", "The receipt is of another gateway.");
  if (job === null) return refuse("unknown_job", "The feed opened no such job before.");
  const early =
    capabilityRefusal(receipt, job) ?? timeRefusal(event) ?? pricingRefusal(receipt, job, context.tariff);
  if (early !== null) return early;
  const { hash, leaf } = UsageReceipt.hashAndLeaf(receipt, domains.usageReceipts);
  if (Wire.recoverDigest(hash, receiptSignature) !== event.gateway)
    return refuse("receipt_signature", "The receipt is not signed by its gateway.");
  return callerRefusal(event, job, context) ?? countersignature(event.body, leaf, job, domains);
};

const capabilityRefusal = (receipt: UsageReceipt.UsageReceipt, job: Job) => {
  const { capability } = job;
  if (receipt.capabilityHash !== job.capabilityHash)
    return refuse("capability_mismatch", "The receipt names another capability than its job.");
  if (receipt.occurredAtMs < capability.validAfter * 1000n)
    return refuse("capability_not_yet_valid", "The call happened before the capability was valid.");
  if (receipt.occurredAtMs >= capability.expiresAt * 1000n)
    return refuse("capability_expired", "The call happened after the capability expired.");
  return null;
};

const timeRefusal = ({ body, recordedAtMs }: UsageEvent) =>
  body.receipt.occurredAtMs > recordedAtMs + CLOCK_SKEW_MS
    ? refuse("receipt_time", "The call happened after it was recorded.")
    : null;

const pricingRefusal = (receipt: UsageReceipt.UsageReceipt, job: Job, tariff: Tariff.Tariff | null) => {
  const quoted = quotedTariff(job, receipt.tariffHash);
  if (quoted === undefined || tariff === null || quoted.providerId !== receipt.providerId)
    return refuse("tariff_not_quoted", "The job's quote does not name this tariff for this provider.");
  if (tariff.providerId !== quoted.providerId || tariff.version !== quoted.version)
    return refuse("tariff_not_quoted", "The tariff document is of another provider or version.");
  const model = modelOf(tariff, receipt.modelHash);
  if (model === undefined) return refuse("tariff_model", "The tariff has no such model.");
  const costNano = Pricing.costNano(UsageReceipt.units(receipt), model.prices);
  if (costNano !== receipt.costNano)
    return refuse(
      "price_mismatch",
      `The units cost ${costNano} nanocredits, the receipt says ${receipt.costNano}.`,
    );
  return null;
};

const callerRefusal = (
  event: UsageEvent,
  job: Job,
  context: UsageContext,
): ({ ok: false } & Refusal) | null => {
  const { receipt, proof, usageAuth } = event.body;
  const caller = validateCaller({
    job,
    proof,
    usageAuth,
    happenedAtMs: receipt.occurredAtMs,
    allowsPath: isMetered,
    origins: context.origins,
    tokens: context.tokens,
  });
  if ("ok" in caller) return caller;
  const { claims, token } = caller;
  if (claims.bodyHash !== Wire.toBase64url(Wire.fromHex(receipt.requestHash, 32)))
    return refuse("proof_body", "The caller signed another request body.");
  if (caller.proofHash !== receipt.proofHash) return refuse("proof_hash", "The receipt names another proof.");
  const { gateway, jobId } = receipt;
  if (UsageReceipt.receiptId({ gateway, jobId, claims }) !== receipt.receiptId)
    return refuse("receipt_id", "The receipt's id is not that of the call the caller signed.");
  if (claims.maxCostNano === undefined || claims.maxCostNano < receipt.costNano)
    return refuse("over_max_cost", "The call costs more than the caller signed.");
  if (!token.providers.includes(receipt.providerId))
    return refuse("token_provider", "The token does not allow this provider.");
  if (!token.models.some((model) => modelHashOf(model) === receipt.modelHash))
    return refuse("token_model", "The token does not allow this model.");
  return null;
};

const countersignature = (
  { receipt, usageReport }: FeedEvent.Usage,
  leaf: Hex,
  job: Job,
  domains: Deployment.Domains,
): Verdict => {
  if (!receipt.countersigned) {
    return job.capability.countersigned
      ? refuse("countersignature_required", "The capability demands calls the provider countersigned.")
      : ok(leaf);
  }
  if (usageReport === null) return refuse("countersignature_missing", "The provider's report is not there.");
  const { report } = usageReport;
  const units = UsageReceipt.units(receipt);
  const reported = UsageReport.units(report);
  const isSame =
    report.receiptId === receipt.receiptId &&
    report.jobId === receipt.jobId &&
    report.providerId === receipt.providerId &&
    report.modelHash === receipt.modelHash &&
    units.inputTokens === reported.inputTokens &&
    units.cachedInputTokens === reported.cachedInputTokens &&
    units.outputTokens === reported.outputTokens &&
    units.requests === reported.requests &&
    units.durationMs === reported.durationMs;
  if (!isSame)
    return refuse("countersignature_mismatch", "The provider reported another call or other units.");
  const signer: Address | null = UsageReport.recover(usageReport, domains.usageReceipts);
  if (signer === null) return refuse("countersignature_mismatch", "The report's signature is malformed.");
  return ok(leaf, signer);
};

const modelHashes = new Map<string, Hex>();

const modelHashOf = (model: string): Hex => {
  const known = modelHashes.get(model);
  if (known !== undefined) return known;
  // Model names come from tokens a gateway signed; the bound stops one from filling the memory.
  if (modelHashes.size >= 4096) modelHashes.clear();
  const hash = UsageReceipt.modelHash(model);
  modelHashes.set(model, hash);
  return hash;
};

const modelOf = (tariff: Tariff.Tariff, modelHash: Hex): Tariff.TariffModel | undefined =>
  tariff.models.find(({ model }) => modelHashOf(model) === modelHash);
