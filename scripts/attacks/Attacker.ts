import { DpopProof, Header, type HolderKey } from "@tac/protocol";
import { type Connection, openConnection } from "@tac/sdk/transport";
import type { Outcome } from "./Attack.ts";

export type Holder = ReturnType<typeof HolderKey.generate>;

/** One request; what is absent is made as an honest client would. */
export type Attempt = {
  method?: "GET" | "POST";
  path?: string;
  body?: string;
  token?: string | null;
  /** Sent instead of an honest proof. */
  proof?: string | null;
  /** The most the call may cost; null leaves it out of the proof. */
  maxCostNano?: bigint | null;
  /** What an otherwise honest proof says differently. */
  claims?: Partial<DpopProof.CreateInput>;
  /** Later values replace the honest ones. A list sends the header once for each. */
  headers?: Record<string, string | string[]>;
};

/** The error code of either shape of answer; empty without one. */
export const codeOf = (text: string): string => {
  try {
    const { error, code } = JSON.parse(text) as { error?: { code?: string }; code?: string };
    return error?.code ?? code ?? "";
  } catch {
    return "";
  }
};

/** Someone with a TLS connection to the gateway, a key, and whatever they stole. */
export class Attacker {
  readonly #connection: Connection;
  readonly #origin: string;
  readonly holder: Holder;
  nonce: string;
  lastProof = "";

  private constructor(connection: Connection, origin: string, holder: Holder, nonce: string) {
    this.#connection = connection;
    this.#origin = origin;
    this.holder = holder;
    this.nonce = nonce;
  }

  static async connect(origin: string, ca: string, holder: Holder): Promise<Attacker> {
    const connection = await openConnection({
      origin,
      ca,
      connectTimeoutMs: 5_000,
      idleTimeoutMs: 60_000,
      headersTimeoutMs: 20_000,
      bodyTimeoutMs: 20_000,
    });
    const { headers, body } = await connection.request({ method: "GET", path: "/v1/nonce" });
    await body.dump();
    return new Attacker(connection, origin, holder, String(headers[Header.dpopNonce]));
  }

  get exporter(): Buffer {
    return this.#connection.exporter;
  }

  /** The proof an honest client would make for this attempt, but for `claims`. */
  proofFor({
    method = "POST",
    path = CHAT,
    body,
    token,
    maxCostNano = MAX_COST_NANO,
    claims,
  }: Attempt): string {
    const input: DpopProof.CreateInput = {
      method,
      url: `${this.#origin}${path}`,
      nowSeconds: Math.floor(Date.now() / 1000),
      nonce: this.nonce,
      exporter: this.exporter,
      ...(maxCostNano === null ? {} : { maxCostNano }),
      ...(body === undefined ? {} : { body }),
      ...(token == null ? {} : { usageAuth: token }),
      ...claims,
    };
    return DpopProof.create(input, this.holder.privateKey);
  }

  async send(attempt: Attempt): Promise<Outcome & { text: string; headers: Record<string, unknown> }> {
    const { method = "POST", path = CHAT, body, token, headers = {} } = attempt;
    const proof = attempt.proof === undefined ? this.proofFor(attempt) : attempt.proof;
    this.lastProof = proof ?? "";
    const response = await this.#connection.request({
      method,
      path,
      ...(body === undefined ? {} : { body }),
      headers: {
        ...(body === undefined ? {} : { "content-type": "application/json" }),
        ...(proof === null ? {} : { [Header.dpop]: proof }),
        ...(token == null ? {} : { [Header.usageAuth]: token }),
        ...headers,
      },
    });
    const text = await response.body.text();
    return { status: response.statusCode, code: codeOf(text), text, headers: response.headers };
  }

  close(): Promise<void> {
    return this.#connection.close();
  }
}

export const CHAT = "/v1/chat/completions";

const MAX_COST_NANO = 10_000_000n;
