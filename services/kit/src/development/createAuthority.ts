// The X.509 library resolves its parts through decorators and needs this polyfill loaded first.
import "reflect-metadata";
import { webcrypto } from "node:crypto";
import * as x509 from "@peculiar/x509";

const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;
const clockSkewMs = 60_000;

/** PEM texts of a certificate and its key. */
export type Pair = { cert: string; key: string };

export type LeafRequest = {
  commonName: string;
  /** URI names, see `certificateNames`. */
  names?: readonly string[];
  /** The loopback names are added when it is a server's. */
  uses: readonly ("server" | "client")[];
  hosts?: readonly string[];
  lifetimeMs: number;
  /** Unix milliseconds; now when absent. */
  issuedAtMs?: number;
};

/** Signs certificates; for development and tests alone. Production has an authority of its own. */
export type Authority = Pair & { expiresAtMs: number; issue: (leaf: LeafRequest) => Promise<Pair> };

const privateKeyPem = async (key: webcrypto.CryptoKey): Promise<string> =>
  `${x509.PemConverter.encode(await webcrypto.subtle.exportKey("pkcs8", key), "PRIVATE KEY")}\n`;

const newKeys = (): Promise<webcrypto.CryptoKeyPair> =>
  webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);

const validity = (issuedAtMs: number, lifetimeMs: number) => ({
  notBefore: new Date(Math.min(issuedAtMs, issuedAtMs + lifetimeMs) - clockSkewMs),
  notAfter: new Date(issuedAtMs + lifetimeMs),
});

/** A new authority with a P-256 key, valid from a minute ago. */
export const createAuthority = async (name: string, lifetimeMs: number): Promise<Authority> => {
  x509.cryptoProvider.set(webcrypto);
  const keys = await newKeys();
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: `CN=${name}`,
    keys,
    signingAlgorithm: algorithm,
    ...validity(Date.now(), lifetimeMs),
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return openAuthority({
    cert: `${certificate.toString("pem")}\n`,
    key: await privateKeyPem(keys.privateKey),
  });
};

/** An authority that was made before. */
export const openAuthority = async ({ cert, key }: Pair): Promise<Authority> => {
  x509.cryptoProvider.set(webcrypto);
  const certificate = new x509.X509Certificate(cert);
  const signingKey = await webcrypto.subtle.importKey(
    "pkcs8",
    x509.PemConverter.decodeFirst(key),
    algorithm,
    false,
    ["sign"],
  );
  return {
    cert,
    key,
    expiresAtMs: certificate.notAfter.getTime(),
    issue: async ({ commonName, names = [], uses, hosts = [], lifetimeMs, issuedAtMs = Date.now() }) => {
      const keys = await newKeys();
      const loopback = uses.includes("server")
        ? [
            { type: "dns" as const, value: "localhost" },
            { type: "ip" as const, value: "127.0.0.1" },
          ]
        : [];
      const leaf = await x509.X509CertificateGenerator.create({
        subject: `CN=${commonName}`,
        issuer: certificate.subject,
        publicKey: keys.publicKey,
        signingKey,
        signingAlgorithm: algorithm,
        ...validity(issuedAtMs, lifetimeMs),
        extensions: [
          new x509.BasicConstraintsExtension(false, undefined, true),
          new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
          new x509.ExtendedKeyUsageExtension(
            uses.map((use) =>
              use === "server" ? x509.ExtendedKeyUsage.serverAuth : x509.ExtendedKeyUsage.clientAuth,
            ),
          ),
          await x509.AuthorityKeyIdentifierExtension.create(certificate.publicKey),
          new x509.SubjectAlternativeNameExtension([
            ...loopback,
            ...hosts.map((value) => ({ type: "dns" as const, value })),
            ...names.map((value) => ({ type: "url" as const, value })),
          ]),
        ],
      });
      return { cert: `${leaf.toString("pem")}\n`, key: await privateKeyPem(keys.privateKey) };
    },
  };
};
