import { certificateNames, TlsDispatcher, type TlsSource } from "@tac/kit";
import { Errors } from "@tac/protocol";
import { type Dispatcher, Pool, errors as undiciErrors } from "undici";
import type { Interruption } from "../call/Interruption.ts";
import type { Provider } from "./Provider.ts";

export type ProviderRequest = {
  providerId: number;
  path: string;
  body: string;
  headers: Record<string, string>;
  interruption: Interruption;
};

export type ProviderAnswer = {
  status: number;
  headers: Readonly<Record<string, string | string[] | undefined>>;
  body: Dispatcher.ResponseData["body"];
};

/**
 * One keep-alive pool per configured provider. Addresses come from the configuration alone, redirects are not
 * followed, and nothing of a caller's request but its body reaches the provider.
 */
export class ProviderPool {
  readonly #targets: ReadonlyMap<number, { provider: Provider; pool: Dispatcher; basePath: string }>;

  /** `tls`: what is presented and trusted, for the providers that need more than ordinary TLS. */
  constructor(
    providers: readonly Provider[],
    { timeoutMs, connections }: { timeoutMs: number; connections: number },
    tls: ReadonlyMap<number, TlsSource> = new Map(),
  ) {
    const settings = {
      connections,
      pipelining: 1,
      keepAliveTimeout: 30_000,
      connectTimeout: Math.min(timeoutMs, 10_000),
      headersTimeout: timeoutMs,
      bodyTimeout: timeoutMs,
    };
    this.#targets = new Map(
      providers.map((provider) => {
        const { origin, pathname } = new URL(provider.baseUrl);
        const source = tls.get(provider.providerId);
        const pool =
          source === undefined
            ? new Pool(origin, settings)
            : new TlsDispatcher({
                source,
                ...(provider.mutualTls && { serverName: certificateNames.provider(provider.providerId) }),
                create: (connect) => new Pool(origin, { ...settings, connect }),
              });
        return [provider.providerId, { provider, pool, basePath: pathname.replace(/\/$/, "") }];
      }),
    );
  }

  find(providerId: number): Provider | null {
    return this.#targets.get(providerId)?.provider ?? null;
  }

  /** Errors: `unknown_provider`, `provider_timeout`, `provider_error`; an interruption is thrown as it is. */
  async send({ providerId, path, body, headers, interruption }: ProviderRequest): Promise<ProviderAnswer> {
    const target = this.#targets.get(providerId);
    if (target === undefined) throw Errors.fromCode("unknown_provider");
    try {
      const answer = await target.pool.request({
        method: "POST",
        path: `${target.basePath}${path}`,
        headers: {
          ...headers,
          "content-type": "application/json",
          authorization: `Bearer ${target.provider.apiKey}`,
        },
        body,
        signal: interruption,
      });
      return { status: answer.statusCode, headers: answer.headers, body: answer.body };
    } catch (cause) {
      throw toProviderError(cause, interruption);
    }
  }

  async close(): Promise<void> {
    await Promise.all([...this.#targets.values()].map(({ pool }) => pool.destroy()));
  }
}

/** What a failed exchange with a provider means to the caller. */
export function toProviderError(cause: unknown, { aborted, reason }: Interruption): unknown {
  if (reason instanceof Errors.ProtocolError) return reason;
  if (cause instanceof Errors.ProtocolError) return cause;
  const isTimeout =
    (aborted && reason?.name === "TimeoutError") ||
    cause instanceof undiciErrors.HeadersTimeoutError ||
    cause instanceof undiciErrors.BodyTimeoutError ||
    cause instanceof undiciErrors.ConnectTimeoutError;
  if (isTimeout) return Errors.fromCode("provider_timeout", { cause: nameOf(cause) });
  if (aborted) return cause;
  return Errors.fromCode("provider_error", {
    detail: "The provider broke off the exchange.",
    cause: nameOf(cause),
  });
}

/** What is said about the failure: an HTTP parser's error carries the bytes it could not parse, which are an answer. */
function nameOf(cause: unknown): Error {
  if (!(cause instanceof Error)) return new Error("unknown failure");
  return new Error("code" in cause ? `${cause.name} ${String(cause.code)}` : cause.name);
}
