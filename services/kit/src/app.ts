import { randomUUID } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { Constants, Errors } from "@tac/protocol";
import {
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  fastify,
  LogController,
} from "fastify";
import { closeConnectionsOnClose } from "./closeConnections.ts";
import { addHealthRoutes, type HealthCheck } from "./health.ts";
import type { Logger } from "./logger.ts";
import type { Metrics } from "./metrics.ts";
import { toProtocolError } from "./protocolErrors.ts";
import { followServerTls, type ServerTls, serverTlsOptions } from "./tls/serverTls.ts";

export type App = FastifyInstance;

const requestIdPattern = /^[A-Za-z0-9][A-Za-z0-9._-]{7,127}$/;

/** A caller's request id is kept only if it is a plain token, so that nothing can be smuggled into the logs. */
const requestIdOf = (request: IncomingMessage): string => {
  const offered = request.headers[Constants.Header.requestId];
  return typeof offered === "string" && requestIdPattern.test(offered) ? offered : randomUUID();
};

const retryAfterSeconds = 1;

const send = (
  error: Errors.ProtocolError,
  request: FastifyRequest,
  reply: FastifyReply,
  problemEverywhere: boolean,
): FastifyReply => {
  reply.code(error.status);
  const isConflict = error.status === 409;
  if (isConflict) reply.header(Constants.Header.shouldRetry, String(error.retryable));
  const saysWhen = error.status === 429 || error.status === 503 || (isConflict && error.retryable);
  if (saysWhen && !reply.hasHeader("retry-after")) {
    reply.header("retry-after", retryAfterSeconds);
  }
  // The router finds a route by an encoded spelling of its path, too.
  const path = request.routeOptions.url ?? request.url;
  if (!problemEverywhere && path.startsWith("/v1/")) return reply.send(error.toOpenAi());
  return reply
    .type("application/problem+json")
    .send(JSON.stringify({ ...error.toProblem(), requestId: request.id }));
};

/**
 * A Fastify instance with what every service answers alike: request ids, errors, `/livez`, `/healthz`, `/metrics`.
 *
 * Errors take the OpenAI shape under `/v1/` and RFC 9457 problem+json elsewhere, or problem+json everywhere with
 * `problemEverywhere`. An unexpected error is logged with its cause and answered as `internal` without it.
 */
export const createApp = ({
  service,
  logger,
  metrics,
  bodyLimit = Constants.BODY_MAX_BYTES,
  problemEverywhere = false,
  checks = {},
  checkDeadlineMs = 2_000,
  servesMetrics = true,
  tls = null,
  trustedProxies = [],
}: {
  service: string;
  logger: Logger;
  metrics: Metrics;
  /** Bytes. */
  bodyLimit?: number;
  problemEverywhere?: boolean;
  checks?: Readonly<Record<string, HealthCheck>>;
  checkDeadlineMs?: number;
  /** False: `GET /metrics` is served elsewhere, because strangers reach this listener. */
  servesMetrics?: boolean;
  /** Null or absent: plain HTTP. */
  tls?: ServerTls | null | undefined;
  /** Addresses and CIDR ranges of proxies whose `x-forwarded-for` is believed; of nobody else's. */
  trustedProxies?: readonly string[];
}): App => {
  const loggerInstance: FastifyBaseLogger = logger;
  const app: App = fastify({
    loggerInstance,
    logController: new LogController({ disableRequestLogging: true, requestIdLogLabel: "requestId" }),
    bodyLimit,
    requestIdHeader: false,
    genReqId: requestIdOf,
    return503OnClosing: true,
    forceCloseConnections: "idle",
    trustProxy: trustedProxies.length === 0 ? false : [...trustedProxies],
    ...(tls === null ? {} : { https: serverTlsOptions(tls) }),
  });
  const requestMs = metrics.histogram("http_request_ms", "Time to answer, in milliseconds", [
    "method",
    "route",
    "status",
  ]);

  app.addHook("onRequest", (request, reply, done) => {
    reply.header(Constants.Header.requestId, request.id);
    done();
  });
  app.addHook("onResponse", (request, reply, done) => {
    const route = request.routeOptions.url ?? "unmatched";
    requestMs.observe({ method: request.method, route, status: String(reply.statusCode) }, reply.elapsedTime);
    request.log.debug(
      { method: request.method, route, status: reply.statusCode, durationMs: reply.elapsedTime },
      "answered",
    );
    done();
  });

  closeConnectionsOnClose(app, tls !== null);
  if (tls !== null) app.server.once("close", followServerTls(app.server, tls));

  app.setErrorHandler((thrown, request, reply) => {
    const error = toProtocolError(thrown);
    if (error.status >= 500)
      request.log.error({ err: error, route: request.routeOptions.url }, "call failed");
    return send(error, request, reply, problemEverywhere);
  });
  app.setNotFoundHandler((request, reply) => {
    const detail = `There is no ${request.method} ${request.url.split("?", 1)[0]} here.`;
    return send(Errors.fromCode("unknown_route", { detail }), request, reply, problemEverywhere);
  });

  addHealthRoutes(app, { service, checks, deadlineMs: checkDeadlineMs });
  if (servesMetrics) {
    app.get("/metrics", async (_request, reply) => {
      reply.type(metrics.registry.contentType);
      return metrics.registry.metrics();
    });
  }
  return app;
};
