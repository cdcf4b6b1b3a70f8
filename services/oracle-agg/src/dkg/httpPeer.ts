import { fetchJson } from "@tac/kit";
import type { Dispatcher } from "undici";
import { z } from "zod";
import {
  confirmationSchema,
  dkgStatusSchema,
  partialPossessionSchema,
  round1Schema,
  round2Schema,
} from "./messages.ts";
import type { DkgPeer } from "./runCeremony.ts";

/** Pairing checks in pure JavaScript on a busy machine take seconds, so the deadline is generous. */
const TIMEOUT_MS = 60_000;

/** A replica reached over HTTP at its base URL. */
export const httpDkgPeer = (url: string, dispatcher?: Dispatcher): DkgPeer => {
  const call = <Schema extends z.ZodType>(step: string, schema: Schema, body?: object) =>
    fetchJson(new URL(`/v1/peer/dkg${step}`, url).href, {
      schema,
      timeoutMs: TIMEOUT_MS,
      ...(dispatcher === undefined ? {} : { dispatcher }),
      ...(body === undefined ? {} : { body }),
    });
  return {
    status: () => call("", dkgStatusSchema),
    round1: (plan) => call("/round1", round1Schema, { plan }),
    round2: (plan, round1) => call("/round2", z.array(round2Schema), { plan, round1 }),
    round3: (plan, round1, round2) => call("/round3", confirmationSchema, { plan, round1, round2 }),
    possession: (plan, confirmations) =>
      call("/possession", partialPossessionSchema, { plan, confirmations }),
    finish: async (plan, confirmations, possessionProof) => {
      await call("/finish", dkgStatusSchema, { plan, confirmations, possessionProof });
    },
  };
};
