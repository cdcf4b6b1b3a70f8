import type { Metrics } from "../metrics.ts";

const create = (metrics: Metrics) => ({
  expires: metrics.gauge(
    "tls_certificate_expires_seconds",
    "Unix time at which the certificate in use expires",
    ["certificate"],
  ),
  reloads: metrics.counter(
    "tls_certificate_reloads",
    "How often changed TLS files were taken up, or refused",
    ["certificate", "outcome"],
  ),
});

const known = new WeakMap<Metrics, ReturnType<typeof create>>();

/** The TLS metrics of a registry, made once however many certificates a service has. */
export const tlsMetricsOf = (metrics: Metrics): ReturnType<typeof create> => {
  const found = known.get(metrics) ?? create(metrics);
  known.set(metrics, found);
  return found;
};
