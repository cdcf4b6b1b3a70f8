import { createHash, createPrivateKey, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { createSecureContext } from "node:tls";

/** Where PEM files lie. A certificate comes with its key; `caFile` holds every authority that is trusted right now. */
export type TlsFiles = {
  certFile?: string | undefined;
  keyFile?: string | undefined;
  caFile?: string | undefined;
};

/** PEM texts that belong together and were valid when they were read. */
export type TlsMaterial = {
  /** The leaf first, then what leads to its authority; null when nothing is presented. */
  identity: { cert: string; key: string } | null;
  /** Null: the authorities that Node trusts. */
  ca: string | null;
  /** Unix milliseconds; null without a certificate. */
  expiresAtMs: number | null;
  /** Equal for equal content. */
  version: string;
};

/** Files that do not make up a usable certificate, key and bundle; the text never shows their content. */
export class TlsMaterialError extends Error {
  override readonly name = "TlsMaterialError";
}

const pemBlocks = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g;

const parse = <Value>(what: string, read: () => Value): Value => {
  try {
    return read();
  } catch (cause) {
    throw new TlsMaterialError(
      `${what} cannot be read: ${cause instanceof Error ? cause.message : "unknown"}`,
      {
        cause,
      },
    );
  }
};

/**
 * Checks PEM texts: the key is the certificate's, the certificate is valid now, every authority parses.
 *
 * @throws {@link TlsMaterialError}
 */
export const checkTlsMaterial = (
  { cert, key, ca }: { cert?: string | undefined; key?: string | undefined; ca?: string | undefined },
  nowMs = Date.now(),
): TlsMaterial => {
  if ((cert === undefined) !== (key === undefined))
    throw new TlsMaterialError("A certificate and its key come together; one of them is missing.");
  const identity = cert === undefined || key === undefined ? null : { cert, key };
  let expiresAtMs: number | null = null;
  if (identity !== null) {
    const leaf = parse("The certificate", () => new X509Certificate(identity.cert));
    const privateKey = parse("The key", () => createPrivateKey(identity.key));
    if (!leaf.checkPrivateKey(privateKey))
      throw new TlsMaterialError("The key does not belong to the certificate.");
    expiresAtMs = Date.parse(leaf.validTo);
    if (expiresAtMs <= nowMs) throw new TlsMaterialError(`The certificate expired at ${leaf.validTo}.`);
    if (Date.parse(leaf.validFrom) > nowMs)
      throw new TlsMaterialError(`The certificate is not valid before ${leaf.validFrom}.`);
  }
  if (ca !== undefined) {
    const authorities = ca.match(pemBlocks) ?? [];
    if (authorities.length === 0) throw new TlsMaterialError("The bundle holds no authority.");
    for (const authority of authorities) parse("An authority", () => new X509Certificate(authority));
  }
  parse("The material", () =>
    createSecureContext({ ...identity, ...(ca === undefined ? {} : { ca }), minVersion: "TLSv1.3" }),
  );
  const version = createHash("sha256")
    .update(JSON.stringify([cert ?? null, key ?? null, ca ?? null]))
    .digest("hex");
  return { identity, ca: ca ?? null, expiresAtMs, version };
};

/** Reads and checks the files. @throws {@link TlsMaterialError} */
export const readTlsMaterial = ({ certFile, keyFile, caFile }: TlsFiles): TlsMaterial => {
  const text = (file: string | undefined): string | undefined =>
    file === undefined ? undefined : parse(`The file ${file}`, () => readFileSync(file, "utf8"));
  return checkTlsMaterial({ cert: text(certFile), key: text(keyFile), ca: text(caFile) });
};
