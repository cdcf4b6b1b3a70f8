import { connect, createServer, type Server, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

/**
 * How a link behaves. `silent`: bytes wait until the link is open again and arrive late, as those of a TCP connection
 * whose packets are lost. `refusing`: connections are reset, new ones too.
 */
export type LinkState = { kind: "open"; delayMs: number } | { kind: "silent" } | { kind: "refusing" };

export const open: LinkState = { kind: "open", delayMs: 0 };

const RECHECK_MS = 20;

/**
 * A TCP proxy on loopback in front of one listener, for those who come from one other party. It passes bytes through
 * untouched, so TLS on both sides sees nothing of it. Delays do not reach the TCP handshake itself.
 */
export class Link {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #state: LinkState = open;

  private constructor(server: Server) {
    this.#server = server;
  }

  static async listen(targetPort: number): Promise<Link> {
    const server = createServer();
    const link = new Link(server);
    server.on("connection", (socket) => link.#join(socket, targetPort));
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(0, "127.0.0.1", resolve);
    });
    return link;
  }

  get port(): number {
    const address = this.#server.address();
    if (address === null || typeof address === "string") throw new Error("The link does not listen.");
    return address.port;
  }

  set(state: LinkState): void {
    this.#state = state;
    if (state.kind === "refusing") this.#reset();
  }

  async close(): Promise<void> {
    this.#reset();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #reset(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  #join(near: Socket, targetPort: number): void {
    if (this.#state.kind === "refusing") {
      near.resetAndDestroy();
      return;
    }
    const far = connect({ host: "127.0.0.1", port: targetPort });
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      this.#sockets.add(from);
      this.#carry(from, to);
    }
  }

  #carry(from: Socket, to: Socket): void {
    let carried: Promise<void> = Promise.resolve();
    const inTurn = (act: () => void): void => {
      const at = Date.now();
      carried = carried.then(async () => {
        await this.#passage(at, to);
        if (!to.destroyed) act();
      });
    };
    from.setNoDelay(true);
    from.on("data", (bytes: Buffer) => inTurn(() => void to.write(bytes)));
    from.once("end", () => inTurn(() => void to.end()));
    // A connection that breaks on one side breaks on the other; there is nobody else to tell.
    from.on("error", () => to.destroy());
    from.once("close", () => {
      this.#sockets.delete(from);
      inTurn(() => void to.destroy());
    });
  }

  /** Waits until what came at this time may go on. */
  async #passage(at: number, to: Socket): Promise<void> {
    while (!to.destroyed) {
      const state = this.#state;
      const waitMs = state.kind === "open" ? at + state.delayMs - Date.now() : RECHECK_MS;
      if (waitMs <= 0) return;
      await sleep(Math.min(waitMs, RECHECK_MS * 5));
    }
  }
}
