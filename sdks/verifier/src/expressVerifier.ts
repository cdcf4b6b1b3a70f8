import { type Address, DpopProof } from "@tac/protocol";
import type { Headers, VerifiedCall, Verifier } from "./createVerifier.ts";
import { modelOf, refusalOf } from "./refusalOf.ts";

/** As much of a request as the middleware uses, so that it fits Express 4 and 5, Connect and plain `node:http`. */
type Request = { headers: Headers; body?: unknown; tac?: VerifiedCall };
type Response = {
  statusCode: number;
  setHeader: (name: string, value: string) => unknown;
  end: (text: string) => unknown;
};

/**
 * Express middleware, to be used behind the JSON parser: lets a verified call through with `request.tac`, and answers any
 * other in OpenAI's shape. `rawBodyOf` gives the bytes as they came, for verifiers that demand the same body.
 * `assertForwarder` throws when the connection is not that of the gateway which issued the token.
 */
export const expressVerifier =
  <Incoming extends Request>(
    verifier: Pick<Verifier, "verify">,
    {
      rawBodyOf,
      assertForwarder,
    }: {
      rawBodyOf?: (request: Incoming) => Uint8Array | string;
      assertForwarder?: (request: Incoming, gateway: Address) => void;
    } = {},
  ) =>
  (request: Incoming, response: Response, next: (error?: unknown) => void): void => {
    try {
      const model = modelOf(request.body);
      request.tac = verifier.verify({
        headers: request.headers,
        ...(model === undefined ? {} : { model }),
        ...(rawBodyOf === undefined ? {} : { bodyHash: DpopProof.bodyHash(rawBodyOf(request)) }),
        ...(assertForwarder && { assertForwarder: (gateway: Address) => assertForwarder(request, gateway) }),
      });
    } catch (error) {
      const refusal = refusalOf(error);
      if (refusal === null) {
        next(error);
        return;
      }
      response.statusCode = refusal.status;
      for (const [name, value] of Object.entries(refusal.headers)) response.setHeader(name, value);
      response.setHeader("content-type", "application/json");
      response.end(JSON.stringify(refusal.body));
      return;
    }
    next();
  };
