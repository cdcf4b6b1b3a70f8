import { type App, parseParams, peerCertificateOf } from "@tac/kit";
import { DpopProof, Header, UsageReport, Wire } from "@tac/protocol";
import { z } from "zod";
import type { RouteDeps } from "../app.ts";
import { behaviourOf } from "../controls.ts";
import { requireModel } from "./models.ts";

const httpParams = z.object({ model: Wire.modelName });

/** `POST /v1/http/:model`: any other metered API, charged by the request; the answer names the body it was for. */
export const addHttpRoute = (
  app: App,
  { guard, reporter, misbehaviour, configured, models }: RouteDeps,
): void => {
  app.post("/v1/http/:model", async (request, reply) => {
    const { model } = parseParams(httpParams, request.params);
    requireModel(models, model);
    const body = request.rawBody ?? "";
    const call = guard({
      headers: request.headers,
      model,
      body,
      certificate: peerCertificateOf(request.raw.socket),
    });
    if (await misbehaviour.before(reply, behaviourOf(configured, request.headers))) return reply;
    const signed = call.report({ inputTokens: 0, cachedInputTokens: 0, outputTokens: 0 });
    if (signed !== undefined) {
      if (reporter.mode === "inline") reply.header(Header.countersignature, UsageReport.toHeader(signed));
      await reporter.emit(signed);
    }
    return {
      object: "http.answer",
      model,
      bodyHash: DpopProof.bodyHash(body),
      bodyBytes: Buffer.byteLength(body),
    };
  });
};
