import { checkServerIdentity, createSecureContext, type PeerCertificate } from "node:tls";
import { type buildConnector, Dispatcher } from "undici";
import { uriNamesOf } from "./certificateNames.ts";
import type { TlsMaterial } from "./readTlsMaterial.ts";
import type { TlsSource } from "./watchTls.ts";

/** A server with a valid certificate that is somebody else's. */
export class CertificateNameError extends Error {
  override readonly name = "CertificateNameError";
  readonly code = "ERR_TAC_CERTIFICATE_NAME";
}

export type TlsDispatcherOptions = {
  source: TlsSource;
  /** URI name that the server's certificate must carry beside its host's; see `certificateNames`. */
  serverName?: string;
  /** Makes the pool or agent with these connection settings. */
  create: (connect: buildConnector.BuildOptions) => Dispatcher;
};

/**
 * An undici dispatcher over TLS 1.3 that presents the source's certificate. When the source changes, new requests go
 * through new connections with the new certificate, and the old ones close when what they carry has ended.
 */
export class TlsDispatcher extends Dispatcher {
  readonly #options: TlsDispatcherOptions;
  readonly #unsubscribe: () => void;
  readonly #retiring = new Set<Promise<void>>();
  #current: Dispatcher;

  constructor(options: TlsDispatcherOptions) {
    super();
    this.#options = options;
    this.#current = this.#make(options.source.current());
    this.#unsubscribe = options.source.onChange((material) => {
      const old = this.#current;
      this.#current = this.#make(material);
      const closing = old.close().finally(() => this.#retiring.delete(closing));
      this.#retiring.add(closing);
    });
  }

  override dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    return this.#current.dispatch(options, handler);
  }

  override close(): Promise<void>;
  override close(callback: () => void): void;
  override close(callback?: () => void): Promise<void> | void {
    const closed = this.#end(this.#current.close());
    if (callback === undefined) return closed;
    void closed.then(callback);
  }

  override destroy(): Promise<void>;
  override destroy(error: Error | null): Promise<void>;
  override destroy(callback: () => void): void;
  override destroy(error: Error | null, callback: () => void): void;
  override destroy(
    errorOrCallback: Error | null | (() => void) = null,
    callback?: () => void,
  ): Promise<void> | void {
    const isCallback = typeof errorOrCallback === "function";
    this.#unsubscribe();
    const destroyed = this.#current.destroy(isCallback ? null : errorOrCallback);
    const done = isCallback ? errorOrCallback : callback;
    if (done === undefined) return destroyed;
    void destroyed.then(done);
  }

  async #end(current: Promise<void>): Promise<void> {
    this.#unsubscribe();
    await Promise.all([current, ...this.#retiring]);
  }

  #make({ identity, ca }: TlsMaterial): Dispatcher {
    const { create, serverName } = this.#options;
    return create({
      // Made once for all connections; undici would build one for each.
      secureContext: createSecureContext({
        ...identity,
        ...(ca === null ? {} : { ca }),
        minVersion: "TLSv1.3",
      }),
      // Node does not look at the name of a server whose session it resumes.
      maxCachedSessions: 0,
      checkServerIdentity: (host: string, certificate: PeerCertificate) =>
        checkServerIdentity(host, certificate) ?? checkName(serverName, certificate),
    });
  }
}

const checkName = (name: string | undefined, { subjectaltname }: PeerCertificate): Error | undefined =>
  name === undefined || uriNamesOf(subjectaltname).has(name)
    ? undefined
    : new CertificateNameError(`The server's certificate does not name ${name}.`);
