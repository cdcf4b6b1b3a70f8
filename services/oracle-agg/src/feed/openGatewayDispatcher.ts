import {
  certificateNames,
  type Logger,
  type Metrics,
  type TlsConfig,
  TlsDispatcher,
  type TlsSource,
  watchTls,
} from "@tac/kit";
import { Agent, type Dispatcher } from "undici";
import type { GatewayEntry } from "./GatewayPort.ts";

const CONNECTIONS = 4;

/**
 * How to open connections to a gateway's feed: with this replica's certificate, trusting the bundle of enrolled parties
 * and expecting the gateway's own name in its certificate, unless its entry names another bundle or a public one.
 */
export const openGatewayDispatcher = (
  config: TlsConfig,
  { logger, metrics, tls }: { logger: Logger; metrics: Metrics; tls: TlsSource | null },
): ((entry: GatewayEntry) => Dispatcher) => {
  // A replica that starts several times asks several times; its files are watched once.
  const sources = new Map<string, TlsSource>();
  return ({ address, caFile, publicCertificate }) => {
    const create = (connect: Agent.Options["connect"]): Dispatcher =>
      new Agent({ ...(connect === undefined ? {} : { connect }), connections: CONNECTIONS });
    const isEnrolledByName = caFile === undefined && !publicCertificate;
    if (isEnrolledByName && tls !== null)
      return new TlsDispatcher({ source: tls, serverName: certificateNames.gateway(address), create });
    if (tls === null && isEnrolledByName) return create({ minVersion: "TLSv1.3" });
    const identity = tls === null ? {} : { certFile: config.TLS_CERT_FILE, keyFile: config.TLS_KEY_FILE };
    let source = sources.get(address);
    if (source === undefined) {
      const certificate = `gateway-${address}`;
      source = watchTls(
        { ...identity, caFile },
        { logger, metrics, certificate, pollMs: config.TLS_POLL_MS },
      );
      sources.set(address, source);
    }
    return new TlsDispatcher({ source, create });
  };
};
