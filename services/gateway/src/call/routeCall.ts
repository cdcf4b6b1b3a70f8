import { Errors, type Plan, Tariff } from "@tac/protocol";
import type { Job } from "../jobs/Job.ts";
import type { WantedCall } from "./wanted.ts";

/** Where a call goes and what it costs there: the quoted step, and its model in the tariff the quote names. */
export type Route = { step: Plan.QuotedStep; model: Tariff.TariffModel };

/**
 * The first step of the job's plan that fits. Errors: `provider_not_allowed`, `model_not_allowed`, and
 * `unknown_model` when no tariff at all has the model.
 */
export function routeCall(job: Job, wanted: WantedCall, isKnownModel: (model: string) => boolean): Route {
  const ofModel = job.signedQuote.steps.filter(({ model }) => model === wanted.model);
  const ofKind = ofModel.filter(({ kind }) => kind === wanted.kind);
  const step = ofKind.find(
    ({ providerId }) => wanted.providerId === null || providerId === wanted.providerId,
  );
  if (step === undefined) throw refusal(ofModel.length > 0, ofKind.length > 0, isKnownModel(wanted.model));
  const tariff = job.tariffs.get(step.tariffHash);
  const model = tariff && Tariff.findModel(tariff, step.model);
  if (model === undefined) throw new Error("A stored job names a model its tariff does not have");
  return { step, model };
}

function refusal(isQuoted: boolean, isOfKind: boolean, isKnown: boolean) {
  if (isOfKind) return Errors.fromCode("provider_not_allowed", { param: "providerId" });
  if (isQuoted) {
    return Errors.fromCode("model_not_allowed", {
      param: "model",
      detail: "The model is quoted for another use.",
    });
  }
  return Errors.fromCode(isKnown ? "model_not_allowed" : "unknown_model", { param: "model" });
}
