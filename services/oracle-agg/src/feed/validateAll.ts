import type { TokenCache } from "../rules/TokenCache.ts";
import { jobIdOf, tariffNeeded, type Validated, validateEvent } from "../rules/validateEvent.ts";
import type { ValidationTask } from "./ValidationPool.ts";

/** Validates events that open no job, each by itself, in their order. */
export const validateAll = (
  { events, jobs, tariffs, domains, tariffSigners, origins }: ValidationTask,
  tokens: TokenCache,
): Validated[] =>
  events.map((event) => {
    const job = jobs.get(jobIdOf(event)) ?? null;
    const tariff = tariffs.get(tariffNeeded(event, job) ?? "0x") ?? null;
    return validateEvent(event, { domains, tariffSigners, job, tariff, origins, tokens });
  });
