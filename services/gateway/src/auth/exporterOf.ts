import type { Socket } from "node:net";
import { TLSSocket } from "node:tls";
import { Constants, Errors } from "@tac/protocol";

const exporters = new WeakMap<Socket, Buffer>();

/**
 * RFC 9266 `tls-exporter` of a connection, read once per socket. Errors: `binding_mismatch` without TLS 1.3, because
 * earlier versions do not bind the value to the handshake.
 */
export function exporterOf(socket: Socket): Buffer {
  const known = exporters.get(socket);
  if (known) return known;
  if (!(socket instanceof TLSSocket) || socket.getProtocol() !== "TLSv1.3") {
    throw Errors.fromCode("binding_mismatch", { detail: "The connection is not TLS 1.3." });
  }
  const value = socket.exportKeyingMaterial(
    Constants.EXPORTER_LENGTH_BYTES,
    Constants.EXPORTER_LABEL,
    Buffer.alloc(0),
  );
  exporters.set(socket, value);
  return value;
}
