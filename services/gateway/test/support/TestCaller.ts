import { connect, type TLSSocket } from "node:tls";
import { Constants, DpopProof, Header, HolderKey } from "@tac/protocol";
import { type buildConnector, Client, type Dispatcher } from "undici";

export type Sent = {
  method?: "GET" | "POST";
  path: string;
  body?: unknown;
  token?: string | null;
  maxCostNano?: bigint | null;
  headers?: Record<string, string | string[]>;
  /** Replaces the proof that fits the request. */
  proof?: string;
  /** Alters what the proof says. */
  claims?: Partial<DpopProof.CreateInput>;
  rawBody?: string;
};

export type Answer = { status: number; headers: Record<string, string | string[] | undefined>; text: string };

export type CallerConnection = { connectUrl?: string; session?: Buffer | undefined };

/** A client with one TLS 1.3 connection of its own and a holder key. */
export class TestCaller {
  readonly holder: ReturnType<typeof HolderKey.generate>;
  readonly #url: string;
  readonly #client: Client;
  #exporter: Buffer | null = null;
  #nonce = "";
  lastProof = "";
  /** TLS session ticket that the server gave. */
  lastSession: Buffer | undefined;
  isResumed = false;

  readonly #afterAnswer: () => Promise<void>;

  /** `connectUrl` is where a replica really listens, when that is not the URL that proofs name. */
  constructor(
    url: string,
    ca: string,
    holder = HolderKey.generate(),
    { connectUrl = url, session }: CallerConnection = {},
    afterAnswer: () => Promise<void> = async () => undefined,
  ) {
    this.#url = url;
    this.#afterAnswer = afterAnswer;
    this.holder = holder;
    this.#client = new Client(connectUrl, {
      pipelining: 1,
      ...(connectUrl.startsWith("https:") ? { connect: this.#connector(ca, session) } : {}),
    });
  }

  #connector(ca: string, session: Buffer | undefined): buildConnector.connector {
    return (options, callback) => {
      const socket: TLSSocket = connect({
        host: options.hostname,
        port: Number(options.port),
        ca,
        minVersion: "TLSv1.3",
        ALPNProtocols: ["http/1.1"],
        ...(session === undefined ? {} : { session }),
      });
      socket.on("session", (ticket: Buffer) => {
        this.lastSession = ticket;
      });
      socket.once("error", (error) => callback(error, null));
      socket.once("secureConnect", () => {
        this.isResumed = socket.isSessionReused();
        this.#exporter = socket.exportKeyingMaterial(32, Constants.EXPORTER_LABEL, Buffer.alloc(0));
        callback(null, socket);
      });
    };
  }

  /** Opens the connection and fetches a nonce. */
  async open(): Promise<this> {
    const answer = await this.#client.request({ method: "GET", path: "/v1/nonce" });
    await answer.body.dump();
    this.#nonce = String(answer.headers[Header.dpopNonce]);
    return this;
  }

  proofFor({ method = "POST", path, body, rawBody, token, maxCostNano, headers, claims }: Sent): string {
    const idempotencyKey = headers?.[Header.idempotencyKey];
    const payload = rawBody ?? (body === undefined ? undefined : JSON.stringify(body));
    return DpopProof.create(
      {
        method,
        url: `${this.#url}${path}`,
        nowSeconds: Math.floor(Date.now() / 1000),
        nonce: this.#nonce,
        ...(this.#exporter === null ? {} : { exporter: this.#exporter }),
        ...(token == null ? {} : { usageAuth: token }),
        ...(payload === undefined ? {} : { body: payload }),
        ...(maxCostNano == null ? {} : { maxCostNano }),
        ...(typeof idempotencyKey === "string" ? { idempotencyKey } : {}),
        ...claims,
      },
      this.holder.privateKey,
    );
  }

  async begin(sent: Sent): Promise<Dispatcher.ResponseData> {
    const { method = "POST", path, body, rawBody, token, headers = {} } = sent;
    const payload = rawBody ?? (body === undefined ? undefined : JSON.stringify(body));
    this.lastProof = sent.proof ?? this.proofFor(sent);
    return this.#client.request({
      method,
      path,
      headers: {
        [Header.dpop]: this.lastProof,
        ...(token == null ? {} : { [Header.usageAuth]: token }),
        ...(payload === undefined ? {} : { "content-type": "application/json" }),
        ...headers,
      },
      ...(payload === undefined ? {} : { body: payload }),
    });
  }

  /** The answer, and not before its charge is made, which a test may then look at. */
  async send(sent: Sent): Promise<Answer> {
    const answer = await this.sendOnly(sent);
    await this.#afterAnswer();
    return answer;
  }

  /** The answer as soon as it is there. */
  async sendOnly(sent: Sent): Promise<Answer> {
    const { statusCode, headers, body } = await this.begin(sent);
    return { status: statusCode, headers, text: await body.text() };
  }

  async close(): Promise<void> {
    await this.#client.destroy();
  }
}
