import type { IncomingMessage } from "node:http";
import rateLimit from "@fastify/rate-limit";
import { type App, createApp, type ServerTls, type TlsSource } from "@tac/kit";
import { type ErrorCode, Errors, Header } from "@tac/protocol";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { Deps } from "./deps.ts";
import { limitKeyOf } from "./limitKey.ts";
import { addBudgetRoutes } from "./routes/budgets.ts";
import { addCallRoutes } from "./routes/calls.ts";
import { addJobRoutes } from "./routes/jobs.ts";
import { addOracleRoutes } from "./routes/oracle.ts";
import { addReceiptRoutes } from "./routes/receipts.ts";
import { addRevocationRoutes } from "./routes/revocations.ts";

const JSON_TYPE = /^application\/json(?:; ?charset=utf-8)?$/i;

/** Says which profile of capabilities this gateway can serve; never part of what is signed. */
const BINDING_HEADER = "x-binding-profile";

/** What RFC 9449 and RFC 6750 call our refusals in `WWW-Authenticate`; any other 401 is challenged without a reason. */
const CHALLENGES: Partial<Record<ErrorCode, string>> = {
  use_dpop_nonce: "use_dpop_nonce",
  invalid_proof: "invalid_dpop_proof",
  proof_replayed: "invalid_dpop_proof",
  binding_mismatch: "invalid_dpop_proof",
  invalid_usage_auth: "invalid_token",
  usage_auth_expired: "invalid_token",
};

const HEADERS_TIMEOUT_MS = 15_000;
const REQUEST_TIMEOUT_MS = 60_000;

/** The gateway's HTTP interface over its dependencies; it listens nowhere yet. */
export async function buildApp(deps: Deps): Promise<App> {
  const { logger, metrics, nonces, rateLimits, tls } = deps;
  const calls = metrics.counter(
    "gateway_rps",
    "Requests to /v1; its rate is the gateway's requests per second",
  );
  const app = createApp({
    service: "gateway",
    logger,
    metrics,
    servesMetrics: false,
    checks: {
      store: () => deps.pool.query("SELECT 1"),
      revocations: async () => deps.assertRevocationsFresh(),
    },
    trustedProxies: deps.trustedProxies,
    tls: tls === null ? undefined : serverTlsOf(tls),
  });

  // Whoever sends a request slowly holds a connection before any rate limit can count it.
  app.server.headersTimeout = HEADERS_TIMEOUT_MS;
  app.server.requestTimeout = REQUEST_TIMEOUT_MS;
  app.addHook("preClose", async () => {
    const timer = setTimeout(() => deps.running.breakOffAll(), deps.shutdownGraceMs).unref();
    app.server.once("close", () => clearTimeout(timer));
  });

  await app.register(rateLimit, {
    global: true,
    max: rateLimits.perIpPerMinute,
    timeWindow: 60_000,
    keyGenerator: (request) => limitKeyOf(request.ip),
    errorResponseBuilder: () => Errors.fromCode("rate_limited"),
  });
  const checkJob = app.createRateLimit({
    max: rateLimits.perJobPerMinute,
    timeWindow: 60_000,
    keyGenerator: jobKeyOf,
  });
  const limitJob = async (request: FastifyRequest, reply: FastifyReply, jobId: string): Promise<void> => {
    jobKeys.set(request.raw, jobId);
    const verdict = await checkJob(request);
    if (verdict.isAllowed || !verdict.isExceeded) return;
    reply.header("retry-after", verdict.ttlInSeconds);
    throw Errors.fromCode("rate_limited", { detail: "The job makes too many requests." });
  };

  // The bytes of a body are what its proof signs, so they stay as they came.
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("application/json", { parseAs: "buffer" }, (_request, body, done) =>
    done(null, body),
  );

  app.addHook("onRequest", (request, _reply, done) => {
    if (!isOfApi(request)) return done();
    calls.inc();
    done(isOtherMedia(request.raw) ? Errors.fromCode("unsupported_media_type") : undefined);
  });
  app.addHook("onSend", (request, reply, payload, done) => {
    if (!isOfApi(request)) return done(null, payload);
    reply.header(Header.dpopNonce, nonces.issue(Math.floor(deps.nowMs() / 1000)));
    if (reply.statusCode === 401 && !reply.hasHeader("www-authenticate")) {
      reply.header("www-authenticate", 'DPoP algs="ES256"');
    }
    done(null, payload);
  });
  app.addHook("onError", async (_request, reply, error) => {
    const challenge = error instanceof Errors.ProtocolError ? CHALLENGES[error.code] : undefined;
    if (challenge !== undefined) reply.header("www-authenticate", `DPoP error="${challenge}", algs="ES256"`);
  });

  app.get("/v1/nonce", async (_request, reply) =>
    reply
      .header(BINDING_HEADER, deps.bindsConnections ? "exporter" : "nonce-only")
      .code(204)
      .send(),
  );
  addBudgetRoutes(app, deps);
  addJobRoutes(app, deps);
  addCallRoutes(app, deps, limitJob);
  addReceiptRoutes(app, deps);
  addOracleRoutes(app, deps);
  addRevocationRoutes(app, deps);
  return app;
}

/** Callers show no certificate; aggregators do, on the routes of the feed. */
function serverTlsOf(source: TlsSource): ServerTls {
  return { source, clients: source.current().ca === null ? "none" : "request" };
}

const jobKeys = new WeakMap<IncomingMessage, string>();

function jobKeyOf(request: FastifyRequest): string {
  return jobKeys.get(request.raw) ?? limitKeyOf(request.ip);
}

/** Told by the route that was found, however its path was spelt. */
function isOfApi({ routeOptions, url }: FastifyRequest): boolean {
  return (routeOptions.url ?? url).startsWith("/v1/");
}

/** Anything but plain JSON in UTF-8 is refused before a byte of it is read. */
function isOtherMedia({ method, headers }: IncomingMessage): boolean {
  if (method !== "POST" && method !== "PUT" && method !== "PATCH") return false;
  const type = headers["content-type"];
  return headers["content-encoding"] !== undefined || type === undefined || !JSON_TYPE.test(type);
}
