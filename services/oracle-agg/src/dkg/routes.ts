import { type App, certificateNames, parseBody, peerCertificateOf } from "@tac/kit";
import { Errors } from "@tac/protocol";
import { z } from "zod";
import type { SetBook } from "../keys/SetBook.ts";
import type { Ceremony } from "./Ceremony.ts";
import { DkgError } from "./DkgError.ts";
import { confirmationSchema, possessionProofSchema, round1Schema, round2Schema } from "./messages.ts";
import { planSchema } from "./Plan.ts";

const round1Body = z.strictObject({ plan: planSchema });
const round2Body = round1Body.extend({ round1: z.array(round1Schema).max(255) });
const round3Body = round2Body.extend({ round2: z.array(round2Schema).max(255) });
const possessionBody = round1Body.extend({ confirmations: z.array(confirmationSchema).max(255) });
const finishBody = possessionBody.extend({ possessionProof: possessionProofSchema });

/** The name in the certificate of whoever runs the ceremony. */
export const ceremonyOperator = certificateNames.operator("ceremony");

// Messages are signed by node keys, only sets in the operator's own files get a key, and a key in use is not replaced; the
// certificate keeps strangers from wasting a replica's time.
const answer = <T>(step: () => T): T => {
  try {
    return step();
  } catch (error) {
    if (error instanceof DkgError)
      throw Errors.fromCode("invalid_request", { detail: error.message, cause: error });
    throw error;
  }
};

/**
 * The replica's side of the ceremony over HTTP, under `/v1/peer/dkg`; with `demandsCertificate`, for the operator of
 * the ceremony and the other replicas alone.
 */
export const addDkgRoutes = (
  parent: App,
  ceremony: Ceremony,
  { book, demandsCertificate }: { book: SetBook; demandsCertificate: boolean },
): void => {
  const names = (): string[] => [
    ceremonyOperator,
    ...book
      .sets()
      .flatMap(({ replicas }) => replicas)
      .map(({ nodePublicKey }) => certificateNames.aggregator(nodePublicKey)),
  ];
  parent.register(async (app) => {
    if (demandsCertificate)
      app.addHook("onRequest", async (request) => {
        const certificate = peerCertificateOf(request.raw.socket);
        if (!names().some((name) => certificate?.names.has(name)))
          throw Errors.fromCode("certificate_required");
      });
    addSteps(app, ceremony);
  });
};

const addSteps = (app: App, ceremony: Ceremony): void => {
  app.get("/v1/peer/dkg", async () => ceremony.status());
  app.post("/v1/peer/dkg/round1", async (request) => {
    const body = parseBody(round1Body, request.body);
    return answer(() => ceremony.round1(body.plan));
  });
  app.post("/v1/peer/dkg/round2", async (request) => {
    const body = parseBody(round2Body, request.body);
    return answer(() => ceremony.round2(body.plan, body.round1));
  });
  app.post("/v1/peer/dkg/round3", async (request) => {
    const body = parseBody(round3Body, request.body);
    return answer(() => ceremony.round3(body.plan, body.round1, body.round2));
  });
  app.post("/v1/peer/dkg/possession", async (request) => {
    const body = parseBody(possessionBody, request.body);
    return answer(() => ceremony.possession(body.plan, body.confirmations));
  });
  app.post("/v1/peer/dkg/finish", async (request) => {
    const body = parseBody(finishBody, request.body);
    answer(() => ceremony.finish(body.plan, body.confirmations, body.possessionProof));
    return ceremony.status();
  });
};
