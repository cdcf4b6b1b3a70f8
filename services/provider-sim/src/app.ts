import {
  type App,
  createApp,
  type HealthCheck,
  type Logger,
  type Metrics,
  requireBearerToken,
  type ServerTls,
} from "@tac/kit";
import type { Behaviour } from "./controls.ts";
import type { Guard } from "./guard.ts";
import { createMisbehaviour } from "./misbehave.ts";
import type { Reporter } from "./reporter.ts";
import { addChatRoute } from "./routes/chat.ts";
import { addEmbeddingsRoute } from "./routes/embeddings.ts";
import { addHttpRoute } from "./routes/http.ts";
import { addModelsRoute } from "./routes/models.ts";

declare module "fastify" {
  interface FastifyRequest {
    /** The JSON body as it arrived, for its digest. */
    rawBody?: string;
  }
}

export type RouteDeps = {
  guard: Guard;
  reporter: Reporter;
  misbehaviour: ReturnType<typeof createMisbehaviour>;
  configured: Behaviour;
  models: readonly string[];
};

/** An OpenAI-compatible provider whose answers depend on the request alone. */
export const buildApp = ({
  apiKey,
  models,
  guard,
  reporter,
  configured,
  logger,
  metrics,
  checks = {},
  random = Math.random,
  tls,
}: {
  apiKey: string;
  models: readonly string[];
  guard: Guard;
  reporter: Reporter;
  configured: Behaviour;
  logger: Logger;
  metrics: Metrics;
  checks?: Readonly<Record<string, HealthCheck>>;
  /** 0 to below 1; decides which calls fail. */
  random?: () => number;
  /** Absent: plain HTTP. */
  tls?: ServerTls | undefined;
}): App => {
  const app = createApp({ service: "provider-sim", logger, metrics, checks, tls });
  const parseJson = app.getDefaultJsonParser("error", "error");
  app.addContentTypeParser("application/json", { parseAs: "string" }, (request, body: string, done) => {
    request.rawBody = body;
    parseJson(request, body, done);
  });

  const requireKey = requireBearerToken(apiKey);
  app.addHook("onRequest", async (request) => {
    // By the route that was found: the router takes an encoded spelling of its path, too.
    if (request.routeOptions.url?.startsWith("/v1/")) requireKey(request.headers.authorization);
  });

  const deps: RouteDeps = {
    guard,
    reporter,
    misbehaviour: createMisbehaviour(app, random),
    configured,
    models,
  };
  addModelsRoute(app, models);
  addChatRoute(app, deps);
  addEmbeddingsRoute(app, deps);
  addHttpRoute(app, deps);
  return app;
};
