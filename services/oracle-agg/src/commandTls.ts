import { readFileSync } from "node:fs";
import { configFields, loadConfig, staticTls } from "@tac/kit";
import type { Dispatcher } from "undici";
import type { ReplicaEntry } from "./keys/AggregatorSet.ts";
import { openPeerDispatcher } from "./peers/openPeerDispatcher.ts";

const shape = {
  TLS_CERT_FILE: configFields.filePath.optional(),
  TLS_KEY_FILE: configFields.filePath.optional(),
  TLS_CA_FILE: configFields.filePath.optional(),
};

/**
 * How an admin command reaches a replica: with the certificate of the environment's TLS files, or plainly without them.
 * Errors: TlsMaterialError.
 */
export const openCommandTls = (
  env: Record<string, string | undefined> = process.env,
): ((entry: ReplicaEntry) => Dispatcher | undefined) => {
  const { TLS_CERT_FILE: certFile, TLS_KEY_FILE: keyFile, TLS_CA_FILE: caFile } = loadConfig(shape, env);
  if (caFile === undefined) return () => undefined;
  const text = (file: string): string => readFileSync(file, "utf8");
  const source = staticTls({
    ca: text(caFile),
    ...(certFile === undefined ? {} : { cert: text(certFile) }),
    ...(keyFile === undefined ? {} : { key: text(keyFile) }),
  });
  return (entry) => openPeerDispatcher(entry, source);
};
