import type { Socket } from "node:net";
import { TLSSocket } from "node:tls";
import { Errors } from "@tac/protocol";
import { uriNamesOf } from "./certificateNames.ts";

/** A certificate that the other end of a connection holds the key of, and that a trusted authority signed. */
export type PeerCertificate = { names: ReadonlySet<string>; expiresAtMs: number };

const known = new WeakMap<Socket, PeerCertificate | null>();

const read = (socket: Socket): PeerCertificate | null => {
  // A resumed TLS 1.3 session without a certificate counts as authorized in Node, so the certificate must be there too.
  if (!(socket instanceof TLSSocket) || !socket.authorized) return null;
  const certificate = socket.getPeerX509Certificate();
  if (certificate === undefined) return null;
  return {
    names: uriNamesOf(certificate.subjectAltName),
    expiresAtMs: Date.parse(certificate.validTo),
  };
};

/**
 * The verified certificate of a connection's other end, read once per connection. Null without one, and once it has
 * expired: a connection kept open gives no longer life than the certificate it was opened with.
 */
export const peerCertificateOf = (socket: Socket): PeerCertificate | null => {
  let certificate = known.get(socket);
  if (certificate === undefined) {
    certificate = read(socket);
    known.set(socket, certificate);
  }
  return certificate === null || certificate.expiresAtMs <= Date.now() ? null : certificate;
};

/** Refuses a connection whose certificate does not carry the name. @throws ProtocolError `certificate_required` */
export const requireCertificate = (socket: Socket, name: string): void => {
  const certificate = peerCertificateOf(socket);
  if (certificate === null) throw Errors.fromCode("certificate_required");
  if (!certificate.names.has(name))
    throw Errors.fromCode("certificate_required", {
      detail: `The certificate of this connection does not name ${name}.`,
    });
};
