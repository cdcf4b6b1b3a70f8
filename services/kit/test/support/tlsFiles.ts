import { mkdirSync, mkdtempSync, renameSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Pair } from "../../src/development/index.ts";

/** A folder with a certificate, its key and a bundle, written the way the authority of the stack does. */
export const tlsFiles = () => {
  const dir = mkdtempSync(join(tmpdir(), "tac-tls-"));
  mkdirSync(dir, { recursive: true });
  const files = {
    certFile: join(dir, "cert.pem"),
    keyFile: join(dir, "key.pem"),
    caFile: join(dir, "ca.pem"),
  };
  const replace = (file: string, text: string): void => {
    writeFileSync(`${file}.new`, text, { mode: 0o600 });
    renameSync(`${file}.new`, file);
  };
  return {
    ...files,
    writePair: ({ cert, key }: Pair): void => {
      replace(files.keyFile, key);
      replace(files.certFile, cert);
    },
    writeCert: (text: string): void => replace(files.certFile, text),
    writeBundle: (...authorities: string[]): void => replace(files.caFile, authorities.join("")),
  };
};
