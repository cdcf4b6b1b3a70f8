import { isIP } from "node:net";
import { connect, type TLSSocket } from "node:tls";
import { ConnectionError } from "./ConnectionError.ts";

export type Endpoint = {
  /** `https://host[:port]`. */
  origin: string;
  /** PEM certificates that are trusted instead of the system's. */
  ca?: string | (() => string) | undefined;
  connectTimeoutMs: number;
};

/** What to trust right now: authorities are replaced while a client lives. */
export const caOf = ({ ca }: Pick<Endpoint, "ca">): { ca?: string } =>
  ca === undefined ? {} : { ca: typeof ca === "string" ? ca : ca() };

/**
 * Opens a TLS 1.3 connection that speaks HTTP/1.1. Throws ConnectionError, or the signal's reason. TLS 1.2 is
 * refused because its exporter does not distinguish an empty from an absent context (RFC 9266).
 */
export function openTlsSocket(endpoint: Endpoint, signal?: AbortSignal): Promise<TLSSocket> {
  const { hostname, port } = new URL(endpoint.origin);
  const host = hostname.replace(/^\[|\]$/g, "");
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const socket = connect({
      host,
      port: Number(port || 443),
      ALPNProtocols: ["http/1.1"],
      minVersion: "TLSv1.3",
      ...(isIP(host) === 0 ? { servername: host } : {}),
      ...caOf(endpoint),
    });
    const timer = setTimeout(() => {
      fail(new ConnectionError(`No TLS connection to ${endpoint.origin} within the time limit.`));
    }, endpoint.connectTimeoutMs);
    const onAbort = () => fail(signal?.reason);
    const onError = (cause: Error) => {
      fail(new ConnectionError(`No TLS connection to ${endpoint.origin}: ${cause.message}`, { cause }));
    };
    function settle() {
      clearTimeout(timer);
      signal?.removeEventListener("abort", onAbort);
    }
    function fail(reason: unknown) {
      settle();
      socket.destroy();
      reject(reason);
    }
    signal?.addEventListener("abort", onAbort, { once: true });
    socket.on("error", onError);
    socket.once("secureConnect", () => {
      settle();
      socket.setNoDelay(true);
      resolve(socket);
    });
  });
}
