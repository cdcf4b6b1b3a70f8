import { type Address, DpopProof } from "@tac/protocol";
import type { FastifyPluginAsync, FastifyRequest } from "fastify";
import type { VerifiedCall, Verifier } from "./createVerifier.ts";
import { modelOf, refusalOf } from "./refusalOf.ts";

declare module "fastify" {
  interface FastifyRequest {
    /** The verified call; null where `fastifyVerifier` does not stand before the route. */
    tac: VerifiedCall | null;
  }
}

/**
 * Fastify plugin: every route of the scope it is registered in lets verified calls through only, with `request.tac`, and
 * answers any other in OpenAI's shape. `rawBodyOf` gives the bytes as they came, for verifiers that demand the same
 * body. `assertForwarder` throws when the connection is not that of the gateway which issued the token. Fastify is
 * needed for its types alone.
 */
export const fastifyVerifier = (
  verifier: Pick<Verifier, "verify">,
  {
    rawBodyOf,
    assertForwarder,
  }: {
    rawBodyOf?: (request: FastifyRequest) => Uint8Array | string;
    assertForwarder?: (request: FastifyRequest, gateway: Address) => void;
  } = {},
): FastifyPluginAsync => {
  const plugin: FastifyPluginAsync = async (app) => {
    app.decorateRequest("tac", null);
    app.addHook("preHandler", async (request, reply) => {
      try {
        const model = modelOf(request.body);
        request.tac = verifier.verify({
          headers: request.headers,
          ...(model === undefined ? {} : { model }),
          ...(rawBodyOf === undefined ? {} : { bodyHash: DpopProof.bodyHash(rawBodyOf(request)) }),
          ...(assertForwarder && {
            assertForwarder: (gateway: Address) => assertForwarder(request, gateway),
          }),
        });
      } catch (error) {
        const refusal = refusalOf(error);
        if (refusal === null) throw error;
        await reply.code(refusal.status).headers(refusal.headers).send(refusal.body);
      }
    });
  };
  // Without this mark Fastify would keep the hook to a scope of the plugin's own, where no route is.
  return Object.assign(plugin, { [Symbol.for("skip-override")]: true });
};
