export { buildApp } from "./app.ts";
export { createQuoter, type Quoter, quoteLifetimeSeconds } from "./createQuoter.ts";
export { type PricedPlan, pricePlan } from "./pricePlan.ts";
export { createTariffStore, type StoredTariff, type TariffStore } from "./TariffStore.ts";
