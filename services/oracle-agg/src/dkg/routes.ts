import { type App, parseBody } from "@tac/kit";
import { Errors } from "@tac/protocol";
import { z } from "zod";
import type { Ceremony } from "./Ceremony.ts";
import { confirmationSchema, possessionProofSchema, round1Schema, round2Schema } from "./messages.ts";
import { DkgError } from "./transcript.ts";

const attempt = z.number().int().min(1).max(1_000_000);
const round1Body = z.strictObject({ attempt });
const round2Body = z.strictObject({ attempt, round1: z.array(round1Schema).max(255) });
const round3Body = z.strictObject({
  attempt,
  round1: z.array(round1Schema).max(255),
  round2: z.array(round2Schema).max(255),
});
const possessionBody = z.strictObject({ attempt, confirmations: z.array(confirmationSchema).max(255) });
const finishBody = possessionBody.extend({ possessionProof: possessionProofSchema });

// The caller needs no credential: messages are signed by node keys, and a replica with a key refuses another ceremony.
const answer = <T>(step: () => T): T => {
  try {
    return step();
  } catch (error) {
    if (error instanceof DkgError)
      throw Errors.fromCode("invalid_request", { detail: error.message, cause: error });
    throw error;
  }
};

/** The replica's side of the ceremony over HTTP, under `/v1/peer/dkg`. */
export const addDkgRoutes = (app: App, ceremony: Ceremony): void => {
  app.get("/v1/peer/dkg", async () => ceremony.status());
  app.post("/v1/peer/dkg/round1", async (request) => {
    const body = parseBody(round1Body, request.body);
    return answer(() => ceremony.round1(body.attempt));
  });
  app.post("/v1/peer/dkg/round2", async (request) => {
    const body = parseBody(round2Body, request.body);
    return answer(() => ceremony.round2(body.attempt, body.round1));
  });
  app.post("/v1/peer/dkg/round3", async (request) => {
    const body = parseBody(round3Body, request.body);
    return answer(() => ceremony.round3(body.attempt, body.round1, body.round2));
  });
  app.post("/v1/peer/dkg/possession", async (request) => {
    const body = parseBody(possessionBody, request.body);
    return answer(() => ceremony.possession(body.attempt, body.confirmations));
  });
  app.post("/v1/peer/dkg/finish", async (request) => {
    const body = parseBody(finishBody, request.body);
    answer(() => ceremony.finish(body.attempt, body.confirmations, body.possessionProof));
    return ceremony.status();
  });
};
