import type { App } from "@tac/kit";
import { parseBody, parseParams } from "@tac/kit";
import { Errors, PeerAuth, ThresholdBls } from "@tac/protocol";
import type { FastifyRequest } from "fastify";
import type { AggregatorSet } from "../keys/AggregatorSet.ts";
import { soundPartials } from "../keys/partials.ts";
import { batchParams, proposalSchema, proposalToJson, signedBatchSchema } from "../peers/PeerPort.ts";
import type { Runtime } from "../Runtime.ts";
import { ProposalRefused } from "../replica/Signer.ts";
import { runningReplica } from "./runningReplica.ts";

const MAX_BODY_BYTES = 2 * 1024 * 1024;

/** What replicas say to each other; every call is signed by a node key of the set. */
export const addPeerRoutes = (app: App, set: AggregatorSet, runtime: Runtime): void => {
  const keys = new Map(
    set.replicas.map(({ id, nodePublicKey }) => [String(id), PeerAuth.enrol(nodePublicKey)]),
  );
  const authenticate = (request: FastifyRequest): { peer: number; body: unknown } => {
    const raw = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
    const peer = PeerAuth.verify({
      method: request.method,
      path: request.url,
      body: raw,
      headers: request.headers,
      nowMs: Date.now(),
      publicKeyOf: (name) => keys.get(name),
    });
    return { peer: Number(peer), body: raw.length === 0 ? undefined : parseJson(raw) };
  };

  app.register(async (scope) => {
    // The signature covers the bytes, so they are kept as they came.
    scope.addContentTypeParser(
      "application/json",
      { parseAs: "buffer", bodyLimit: MAX_BODY_BYTES },
      (_request, body, done) => done(null, body),
    );

    scope.post("/v1/peer/proposals", async (request, reply) => {
      const { peer, body } = authenticate(request);
      const proposal = parseBody(proposalSchema, body);
      const { signer, context } = runningReplica(runtime);
      try {
        return await signer.answer(peer, proposal);
      } catch (error) {
        if (!(error instanceof ProposalRefused)) throw error;
        context.metrics.refusals.inc();
        request.log.warn(
          { peer, batchNumber: proposal.header.batchNumber, view: proposal.view, reasons: error.reasons },
          "proposal refused",
        );
        return reply
          .code(409)
          .type("application/problem+json")
          .send(
            JSON.stringify({
              type: "urn:tac:error:proposal_refused",
              title: "The replica does not sign the proposal",
              status: 409,
              detail: error.message,
              reasons: error.reasons,
            }),
          );
      }
    });

    scope.get<{ Params: { batchNumber: string } }>("/v1/peer/proposals/:batchNumber", async (request) => {
      authenticate(request);
      const { batchNumber } = parseParams(batchParams, request.params);
      const proposals = await runningReplica(runtime).context.batches.proposals(batchNumber);
      return proposals.map(proposalToJson);
    });

    scope.post("/v1/peer/signatures", async (request) => {
      const { body } = authenticate(request);
      const { batchNumber, batchHash, signature, partials, transactionHash } = parseBody(
        signedBatchSchema,
        body,
      );
      const { batches, key } = runningReplica(runtime).context;
      const own = await batches.proposal(batchNumber, batchHash);
      if (own === null) return { known: false };
      if (!ThresholdBls.verify(batchHash, signature, key.groupPublicKey))
        throw Errors.fromCode("invalid_signature", { detail: "The group did not sign this batch." });
      // The first to be known stays: a group signature is unique, and who else signed changes nothing.
      if (own.groupSignature === null)
        await batches.saveSignature(batchHash, signature, soundPartials(partials, batchHash, key));
      if (transactionHash !== null) await batches.saveTransaction(batchHash, transactionHash);
      return { known: true };
    });
  });
};

const parseJson = (raw: Buffer): unknown => {
  try {
    return JSON.parse(raw.toString("utf8"));
  } catch (cause) {
    throw Errors.fromCode("invalid_request", { detail: "The body is not JSON.", cause });
  }
};
