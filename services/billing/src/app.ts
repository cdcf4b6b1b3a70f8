import { type App, createApp, type HealthCheck, type Logger, type Metrics, type ServerTls } from "@tac/kit";
import { addInvoiceRoutes, type InvoiceRoutesDeps } from "./routes/invoices.ts";
import { addVerificationRoutes, type VerificationRoutesDeps } from "./routes/verification.ts";

export type BillingAppDeps = InvoiceRoutesDeps &
  VerificationRoutesDeps & {
    logger: Logger;
    metrics: Metrics;
    checks?: Readonly<Record<string, HealthCheck>>;
    tls?: ServerTls | null;
  };

/** The HTTP API of billing; errors are RFC 9457 problem+json. */
export function buildApp(deps: BillingAppDeps): App {
  const app = createApp({
    service: "billing",
    logger: deps.logger,
    metrics: deps.metrics,
    problemEverywhere: true,
    checks: deps.checks ?? {},
    tls: deps.tls,
  });
  addInvoiceRoutes(app, deps);
  addVerificationRoutes(app, deps);
  return app;
}
