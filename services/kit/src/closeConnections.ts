import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import type { FastifyInstance } from "fastify";

const sweepMs = 50;

/**
 * Once closing has begun, ends every connection that carries no call, so that closing takes as long as the calls that
 * run and no longer. Fastify itself leaves two kinds open: those that were busy when closing began, and those opened
 * ahead of a first call, which Node does not count as idle.
 */
export const closeConnectionsOnClose = (app: FastifyInstance, isTls: boolean): void => {
  const unused = new Set<Socket>();
  app.server.on(isTls ? "secureConnection" : "connection", (socket: Socket) => {
    unused.add(socket);
    socket.once("close", () => unused.delete(socket));
  });
  app.server.on("request", (request: IncomingMessage) => unused.delete(request.socket));
  app.addHook("preClose", async () => {
    if (!app.server.listening) return;
    const sweep = setInterval(() => {
      app.server.closeIdleConnections();
      for (const socket of unused) socket.destroy();
    }, sweepMs);
    app.server.once("close", () => clearInterval(sweep));
  });
};
