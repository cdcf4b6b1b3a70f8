import type { Connection } from "@tac/sdk/transport";
import { Client } from "undici";

/** A connection without TLS. It has no exporter; nonce-bound proofs carry zeros there, and nobody compares them. */
export const openPlainConnection = async (origin: string): Promise<Connection> => {
  const client = new Client(origin, { pipelining: 1 });
  return {
    exporter: Buffer.alloc(32),
    isUsable: () => !client.destroyed,
    request: (request) => client.request(request),
    onClose: () => undefined,
    close: () => client.destroy(),
  };
};
