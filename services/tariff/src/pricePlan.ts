import { Plan, ProtocolError, type Quote, Tariff } from "@tac/protocol";
import type { StoredTariff } from "./TariffStore.ts";

export type PricedPlan = {
  steps: Plan.QuotedStep[];
  /** The tariffs used, ascending by provider. */
  tariffs: Quote.TariffRef[];
  ceilingNano: bigint;
};

/** What a lock can hold: the store and the chain keep amounts in 63 bits. */
const maxCeilingNano = 2n ** 63n - 1n;

type Offer = { stored: StoredTariff; ceilingNano: bigint };

const offersFor = (step: Plan.PlanStep, tariffs: readonly StoredTariff[]): Offer[] => {
  const unbounded: ProtocolError[] = [];
  const offers: Offer[] = [];
  for (const stored of tariffs) {
    const model = Tariff.findModel(stored.tariff, step.model);
    if (model?.kind !== step.kind) continue;
    try {
      offers.push({ stored, ceilingNano: Plan.stepCeilingNano(step, model.prices) });
    } catch (error) {
      // A provider whose price has no bound is passed over as long as another has one.
      if (!(error instanceof ProtocolError) || error.code !== "cost_unbounded") throw error;
      unbounded.push(error);
    }
  }
  if (offers.length === 0 && unbounded[0] !== undefined) throw unbounded[0];
  return offers;
};

const priceStep = (step: Plan.PlanStep, index: number, tariffs: readonly StoredTariff[]): Offer => {
  const param = `plan.steps[${index}]`;
  const named = step.providerId;
  const allowed = named === undefined ? tariffs : tariffs.filter(({ tariff }) => tariff.providerId === named);
  if (allowed.length === 0 && named !== undefined) {
    const detail = `There is no tariff of provider ${named}.`;
    throw new ProtocolError("unknown_provider", { detail, param: `${param}.providerId` });
  }
  // Providers ascend, and a later one wins only by being cheaper, so equal prices always choose the same provider.
  const cheapest = offersFor(step, allowed).reduce<Offer | undefined>(
    (best, offer) => (best === undefined || offer.ceilingNano < best.ceilingNano ? offer : best),
    undefined,
  );
  if (cheapest !== undefined) return cheapest;
  const detail = `Nobody asked for offers the model ${step.model} for ${step.kind}.`;
  throw new ProtocolError("unknown_model", { detail, param: `${param}.model` });
};

/**
 * Chooses for each step the provider that is cheapest at the step's bounds, or the one it names, and sums the
 * ceilings. `tariffs` are those in force, one per provider, ascending by provider.
 *
 * @throws ProtocolError `unknown_provider`, `unknown_model`, `cost_unbounded`, `invalid_request`
 */
export const pricePlan = (plan: Plan.Plan, tariffs: readonly StoredTariff[]): PricedPlan => {
  const offers = plan.steps.map((step, index) => ({ step, ...priceStep(step, index, tariffs) }));
  const ceilingNano = offers.reduce((sum, offer) => sum + offer.ceilingNano, 0n);
  if (ceilingNano > maxCeilingNano) {
    throw new ProtocolError("invalid_request", {
      detail: "The plan costs more than a lock can hold.",
      param: "plan",
    });
  }
  const used = tariffs.filter((stored) => offers.some((offer) => offer.stored === stored));
  return {
    ceilingNano,
    steps: offers.map(({ step, stored, ceilingNano: stepCeilingNano }) => ({
      ...step,
      providerId: stored.tariff.providerId,
      tariffHash: stored.tariffHash,
      ceilingNano: stepCeilingNano,
    })),
    tariffs: used.map(({ tariff: { providerId, version }, tariffHash }) => ({
      providerId,
      version,
      tariffHash,
    })),
  };
};
