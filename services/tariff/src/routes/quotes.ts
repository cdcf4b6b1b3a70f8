import { type App, type Metrics, parseBody } from "@tac/kit";
import { Plan, ProtocolError, Quote, Wire } from "@tac/protocol";
import { z } from "zod";
import type { Quoter } from "../createQuoter.ts";

const quoteBody = z.strictObject({ tenant: Wire.address, gateway: Wire.address, plan: Plan.schema });

export const addQuoteRoutes = (app: App, { quoter, metrics }: { quoter: Quoter; metrics: Metrics }): void => {
  const quotesTotal = metrics.counter("quotes_total", "Quotes asked for, by outcome", ["outcome"]);

  app.get("/v1/signer", async () => ({ address: quoter.signer }));

  app.post("/v1/quotes", async (request) => {
    try {
      const signed = await quoter.quote(parseBody(quoteBody, request.body));
      quotesTotal.inc({ outcome: "signed" });
      return Quote.signedToJson(signed);
    } catch (error) {
      quotesTotal.inc({ outcome: error instanceof ProtocolError ? error.code : "internal" });
      throw error;
    }
  });
};
