import type { Server } from "node:http";
import type { ServerOptions } from "node:https";
import { Server as TlsServer } from "node:tls";
import type { TlsMaterial } from "./readTlsMaterial.ts";
import type { TlsSource } from "./watchTls.ts";

/** What a listener presents, and whether those who connect must show a certificate of their own. */
export type ServerTls = {
  source: TlsSource;
  /**
   * `require`: the handshake fails without a certificate of the bundle. `request`: routes decide, see
   * `requireCertificate`. `none`: it is not asked for.
   */
  clients: "require" | "request" | "none";
};

const contextOf = ({ identity, ca }: TlsMaterial) => ({
  ...identity,
  ...(ca === null ? {} : { ca }),
  minVersion: "TLSv1.3" as const,
});

/**
 * Whoever draws a handshake out holds a connection that no other limit counts yet. Long, because where thousands connect
 * at once the last ones wait for the processor through no fault of theirs.
 */
const HANDSHAKE_TIMEOUT_MS = 60_000;

/** Options of an HTTPS server that speaks TLS 1.3 alone. */
export const serverTlsOptions = ({ source, clients }: ServerTls): ServerOptions => {
  const material = source.current();
  if (material.identity === null) throw new Error("A server needs a certificate and its key.");
  if (clients !== "none" && material.ca === null)
    throw new Error("To check the certificates of clients, a server needs a bundle of authorities.");
  return {
    ...contextOf(material),
    handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
    requestCert: clients !== "none",
    rejectUnauthorized: clients === "require",
  };
};

/**
 * From now on new connections get what the source has; those that are open go on with what they have. Tickets of
 * earlier connections become void, so that nobody resumes what a removed authority vouched for.
 *
 * @returns a function that ends it.
 */
export const followServerTls = (server: Server, { source }: ServerTls): (() => void) => {
  if (!(server instanceof TlsServer)) throw new Error("The server does not speak TLS.");
  return source.onChange((material) => server.setSecureContext(contextOf(material)));
};
