// The X.509 library resolves its parts through decorators and needs this polyfill loaded first.
import "reflect-metadata";
import { webcrypto } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import * as x509 from "@peculiar/x509";

const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;
const dayMs = 24 * 60 * 60 * 1000;

export type Certificates = {
  /** PEM of the development CA. */
  ca: string;
  caFile: string;
  gatewayCertFile: string;
  gatewayKeyFile: string;
};

const exportPrivateKey = async (key: webcrypto.CryptoKey): Promise<string> =>
  x509.PemConverter.encode(await webcrypto.subtle.exportKey("pkcs8", key), "PRIVATE KEY");

/**
 * Makes a development CA and one leaf for the gateway on the loopback names, both valid for a day. They are made anew
 * at each start; the CA's private key never touches the disk.
 */
export const createCertificates = async (dir: string): Promise<Certificates> => {
  x509.cryptoProvider.set(webcrypto);
  const validity = { notBefore: new Date(Date.now() - 60_000), notAfter: new Date(Date.now() + dayMs) };
  const caKeys = await webcrypto.subtle.generateKey(algorithm, false, ["sign", "verify"]);
  const ca = await x509.X509CertificateGenerator.createSelfSigned({
    name: "CN=tokenised-api-credits development CA",
    keys: caKeys,
    signingAlgorithm: algorithm,
    ...validity,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
    ],
  });
  const leafKeys = await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const leaf = await x509.X509CertificateGenerator.create({
    subject: "CN=gateway",
    issuer: ca.subject,
    publicKey: leafKeys.publicKey,
    signingKey: caKeys.privateKey,
    signingAlgorithm: algorithm,
    ...validity,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      new x509.SubjectAlternativeNameExtension([
        { type: "dns", value: "localhost" },
        { type: "ip", value: "127.0.0.1" },
      ]),
    ],
  });
  const files: Certificates = {
    ca: `${ca.toString("pem")}\n`,
    caFile: join(dir, "ca.pem"),
    gatewayCertFile: join(dir, "gateway.pem"),
    gatewayKeyFile: join(dir, "gateway-key.pem"),
  };
  writeFileSync(files.caFile, files.ca, { mode: 0o644 });
  writeFileSync(files.gatewayCertFile, `${leaf.toString("pem")}\n`, { mode: 0o644 });
  writeFileSync(files.gatewayKeyFile, `${await exportPrivateKey(leafKeys.privateKey)}\n`, { mode: 0o600 });
  return files;
};
