import { Constants } from "@tac/protocol";
import { type buildConnector, Client, type Dispatcher } from "undici";
import { ConnectionError } from "./ConnectionError.ts";
import { type Endpoint, openTlsSocket } from "./openTlsSocket.ts";

/** One TLS connection with the channel binding that proofs sent over it must carry. */
export type Connection = {
  /** RFC 9266 `tls-exporter`, 32 bytes. */
  readonly exporter: Buffer;
  isUsable(): boolean;
  /** Sends over this very connection, or fails: the request never reaches another one. */
  request(request: Dispatcher.RequestOptions): Promise<Dispatcher.ResponseData>;
  onClose(listener: () => void): void;
  close(): Promise<void>;
};

export type ConnectionOptions = Endpoint & {
  /** An idle connection is closed after this time, or earlier if the server says so. */
  idleTimeoutMs: number;
  headersTimeoutMs: number;
  /** Longest silence between two pieces of a response body. */
  bodyTimeoutMs: number;
};

/** Opens a connection and reads its exporter, once. */
export async function openConnection(options: ConnectionOptions, signal?: AbortSignal): Promise<Connection> {
  const socket = await openTlsSocket(options, signal);
  const exporter = socket.exportKeyingMaterial(
    Constants.EXPORTER_LENGTH_BYTES,
    Constants.EXPORTER_LABEL,
    Buffer.alloc(0),
  );
  let isHandedOver = false;
  function handOver(callback: buildConnector.Callback): void {
    if (isHandedOver || socket.destroyed) {
      callback(new ConnectionError(`The connection to ${options.origin} has closed.`), null);
    } else {
      isHandedOver = true;
      callback(null, socket);
    }
  }
  const client = new Client(options.origin, {
    pipelining: 1,
    keepAliveTimeout: options.idleTimeoutMs,
    keepAliveMaxTimeout: options.idleTimeoutMs,
    headersTimeout: options.headersTimeoutMs,
    bodyTimeout: options.bodyTimeoutMs,
    // Undici would reconnect in silence and send a proof made for the old socket; it gets one socket only.
    // It must not be answered at once, because it is busy with asking.
    connect: (_target, callback) => queueMicrotask(() => handOver(callback)),
  });

  return {
    exporter,
    isUsable: () => !client.destroyed && !socket.destroyed && socket.readable && socket.writable,
    request: (request) => client.request(request),
    onClose: (listener) => socket.once("close", listener),
    async close() {
      await client.destroy();
      socket.destroy();
    },
  };
}
