import { type App, parseBody } from "@tac/kit";
import { type Deployment, Errors, Wire } from "@tac/protocol";
import type { Address } from "viem";
import { z } from "zod";
import type { ChainReader } from "../verify/ChainReader.ts";
import { verifyInvoice } from "../verify/verifyInvoice.ts";

export type VerificationRoutesDeps = {
  deployment: Deployment.Deployment;
  reader: ChainReader;
  issuer: Address;
};

/** Whoever has a larger invoice checks it with the command line, which costs nobody else anything. */
const MAX_INVOICE_BYTES = 4 * 1024 * 1024;
/** A check costs processor time and calls to the chain, so only a few strangers' invoices are checked at once. */
const MAX_RUNNING = 2;

const verifyBody = z.strictObject({ invoice: z.unknown(), issuer: Wire.address.exactOptional() });

/** `POST /v1/invoices/verify` and `GET /v1/signer`. */
export function addVerificationRoutes(
  app: App,
  { deployment, reader, issuer }: VerificationRoutesDeps,
): void {
  let running = 0;

  app.post("/v1/invoices/verify", { bodyLimit: MAX_INVOICE_BYTES }, async (request, reply) => {
    const body = parseBody(verifyBody, request.body);
    if (running >= MAX_RUNNING) {
      reply.header("retry-after", 1);
      throw Errors.fromCode("rate_limited", { detail: "Other invoices are being checked." });
    }
    running += 1;
    try {
      return await verifyInvoice(body.invoice, {
        reader,
        deployment,
        expectedIssuer: body.issuer ?? issuer,
      });
    } finally {
      running -= 1;
    }
  });

  app.get("/v1/signer", async () => ({ address: issuer }));
}
