import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import { listen } from "./listen.ts";

/**
 * What is lost with a statement: it, its answer, the rest of its answer with the connection, or the store, with it and with
 * every connection.
 */
export type Cut = { statement: string; lose: "request" | "answer" | "rest" | "store" };

/** A TCP proxy before PostgreSQL that can lose the first statement of a name, its answer, and all that follows. */
export class StoreProxy {
  readonly #store: URL;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #cut: Cut | null = null;
  #hasCut = false;
  #isAway = false;

  constructor(storeUrl: string) {
    this.#store = new URL(storeUrl);
    this.#server = createServer((socket) => this.#join(socket));
  }

  async start(): Promise<string> {
    const port = String(await listen(this.#server));
    return Object.assign(new URL(this.#store), { hostname: "127.0.0.1", port }).href;
  }

  /** Takes effect with the next statement of that name. */
  cut(cut: Cut): void {
    this.#cut = cut;
    this.#hasCut = false;
  }

  /** The store that was lost can be reached again. */
  restore(): void {
    this.#isAway = false;
  }

  /** Whether the statement has come. */
  get hasCut(): boolean {
    return this.#hasCut;
  }

  async stop(): Promise<void> {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await once(this.#server, "close");
  }

  #join(client: Socket): void {
    if (this.#isAway) {
      client.destroy();
      return;
    }
    const store = connect(Number(this.#store.port), this.#store.hostname);
    let isSilent = false;
    let chunksLeft = Number.POSITIVE_INFINITY;
    for (const [one, two] of [
      [client, store],
      [store, client],
    ] as const) {
      this.#sockets.add(one);
      one.on("error", () => two.destroy());
      one.on("close", () => {
        this.#sockets.delete(one);
        two.destroy();
      });
    }
    client.on("data", (bytes) => {
      const cut = this.#cut;
      if (cut !== null && bytes.includes(cut.statement)) {
        this.#cut = null;
        this.#hasCut = true;
        if (cut.lose === "rest") chunksLeft = 1;
        else isSilent = true;
        if (cut.lose === "store") {
          this.#isAway = true;
          for (const socket of this.#sockets) socket.destroy();
        }
        if (cut.lose === "request" || cut.lose === "store") return;
      }
      store.write(bytes);
    });
    store.on("data", (bytes) => {
      if (chunksLeft === 0) store.destroy();
      else if (!isSilent) client.write(bytes);
      chunksLeft -= 1;
    });
  }
}
