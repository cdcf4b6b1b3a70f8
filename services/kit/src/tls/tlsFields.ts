import { BlockList, isIP } from "node:net";
import { z } from "zod";
import { ConfigError } from "../config.ts";
import { configFields } from "../configFields.ts";
import type { Logger } from "../logger.ts";
import type { Metrics } from "../metrics.ts";
import { type TlsSource, watchTls } from "./watchTls.ts";

const milliseconds = (fallback: number, description: string) =>
  z.coerce.number().int().min(10).default(fallback).describe(description);

/** The variables of a service that listens; see `openTls`. */
export const tlsFields = {
  TLS_CERT_FILE: configFields.filePath.optional().describe("the PEM file of this service's certificate"),
  TLS_KEY_FILE: configFields.filePath.optional().describe("the PEM file of the certificate's key"),
  /** May hold several: an authority is exchanged by trusting the old and the new one for a while. */
  TLS_CA_FILE: configFields.filePath
    .optional()
    .describe("the PEM file of the authorities that sign the certificates of peers"),
  TLS_POLL_MS: milliseconds(5_000, "milliseconds between two looks at the TLS files"),
  UNSAFE_PLAIN_HTTP: z.enum(["0", "1"]).default("0").describe("1 to serve plain HTTP"),
};

export type TlsConfig = {
  HOST: string;
  TLS_CERT_FILE?: string | undefined;
  TLS_KEY_FILE?: string | undefined;
  TLS_CA_FILE?: string | undefined;
  TLS_POLL_MS: number;
  UNSAFE_PLAIN_HTTP: "0" | "1";
};

export type TlsNeeds = {
  logger: Logger;
  metrics: Metrics;
  /** True: without TLS files, plain HTTP is served on a loopback address without an option that says so. */
  plainOnLoopback?: boolean;
  /** True: peers must show certificates, so TLS_CA_FILE is needed too. */
  checksPeers?: boolean;
};

const loopback = new BlockList();
loopback.addSubnet("127.0.0.0", 8, "ipv4");
loopback.addAddress("::1", "ipv6");

const isLoopback = (host: string): boolean => {
  if (host === "localhost") return true;
  const family = isIP(host);
  return family !== 0 && loopback.check(host, family === 6 ? "ipv6" : "ipv4");
};

const missing = (variable: string, why: string): ConfigError =>
  new ConfigError([{ variable, problem: `missing; ${why}` }]);

/**
 * The TLS files a service is configured with, watched; null when it serves plain HTTP, which takes an option whose name
 * says that it is unsafe, or an address that other machines cannot reach.
 *
 * @throws ConfigError, TlsMaterialError
 */
export const openTls = (config: TlsConfig, needs: TlsNeeds): TlsSource | null => {
  const { TLS_CERT_FILE: certFile, TLS_KEY_FILE: keyFile, TLS_CA_FILE: caFile } = config;
  const { logger, metrics, plainOnLoopback = false, checksPeers = false } = needs;
  if (config.UNSAFE_PLAIN_HTTP === "1") {
    logger.warn({ host: config.HOST }, "UNSAFE_PLAIN_HTTP: this service speaks plain HTTP");
    return null;
  }
  if (certFile === undefined && keyFile === undefined && plainOnLoopback && isLoopback(config.HOST))
    return null;
  if (certFile === undefined || keyFile === undefined)
    throw missing("TLS_CERT_FILE", "set TLS_CERT_FILE and TLS_KEY_FILE to PEM files");
  if (checksPeers && caFile === undefined)
    throw missing(
      "TLS_CA_FILE",
      "set it to the PEM file of the authorities that sign the peers' certificates",
    );
  const pollMs = config.TLS_POLL_MS;
  return watchTls({ certFile, keyFile, caFile }, { logger, metrics, certificate: "server", pollMs });
};
