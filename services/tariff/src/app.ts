import { type App, createApp, type Logger, type Metrics, type Pool, type ServerTls } from "@tac/kit";
import type { Hex, Wire } from "@tac/protocol";
import { createQuoter } from "./createQuoter.ts";
import { addQuoteRoutes } from "./routes/quotes.ts";
import { addTariffRoutes } from "./routes/tariffs.ts";
import { createTariffStore } from "./TariffStore.ts";

const bodyLimitBytes = 1024 * 1024;

/** The tariff service: versioned tariffs and signed quotes. `domain` is the EIP-712 domain of `TariffQuote`. */
export const buildApp = ({
  pool,
  domain,
  signerPrivateKey,
  adminToken,
  logger,
  metrics,
  now = Date.now,
  tls = null,
}: {
  pool: Pool;
  domain: Wire.Domain;
  signerPrivateKey: Hex;
  adminToken: string;
  logger: Logger;
  metrics: Metrics;
  /** Unix milliseconds. */
  now?: () => number;
  tls?: ServerTls | null;
}): App => {
  const app = createApp({
    service: "tariff",
    logger,
    metrics,
    bodyLimit: bodyLimitBytes,
    problemEverywhere: true,
    tls,
    checks: { database: () => pool.query("SELECT 1") },
  });
  const store = createTariffStore(pool);
  addTariffRoutes(app, { store, adminToken, now });
  addQuoteRoutes(app, {
    quoter: createQuoter({ store, domain, privateKey: signerPrivateKey, now }),
    metrics,
  });
  return app;
};
