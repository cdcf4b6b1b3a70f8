import { ConfigError, type Logger, type Metrics, type TlsSource, watchTls } from "@tac/kit";
import type { Provider } from "./Provider.ts";

/**
 * What the gateway presents to, and trusts of, the providers that need more than ordinary TLS; watched, by provider id.
 * Errors: ConfigError when a provider demands mutual TLS and the gateway has no client certificate.
 */
export function openProviderTls(
  providers: readonly Provider[],
  config: {
    TLS_CLIENT_CERT_FILE?: string | undefined;
    TLS_CLIENT_KEY_FILE?: string | undefined;
    TLS_POLL_MS: number;
  },
  { logger, metrics }: { logger: Logger; metrics: Metrics },
): Map<number, TlsSource> {
  const { TLS_CLIENT_CERT_FILE: certFile, TLS_CLIENT_KEY_FILE: keyFile, TLS_POLL_MS: pollMs } = config;
  const sources = new Map<number, TlsSource>();
  for (const { providerId, mutualTls, caFile } of providers) {
    if (mutualTls === undefined && caFile === undefined) continue;
    if (mutualTls !== undefined && (certFile === undefined || keyFile === undefined)) {
      throw new ConfigError([
        {
          variable: "TLS_CLIENT_CERT_FILE",
          problem: `missing; provider ${providerId} demands mutual TLS, so set it and TLS_CLIENT_KEY_FILE to PEM files`,
        },
      ]);
    }
    const files = mutualTls === undefined ? { caFile } : { certFile, keyFile, caFile: mutualTls.caFile };
    const certificate = `provider-${providerId}`;
    sources.set(providerId, watchTls(files, { logger, metrics, certificate, pollMs }));
  }
  return sources;
}
