import { type FSWatcher, watch } from "node:fs";
import { dirname } from "node:path";
import type { Logger } from "../logger.ts";
import type { Metrics } from "../metrics.ts";
import { checkTlsMaterial, readTlsMaterial, type TlsFiles, type TlsMaterial } from "./readTlsMaterial.ts";
import { tlsMetricsOf } from "./tlsMetrics.ts";

/** What is presented and trusted right now, and who wants to know when it changes. */
export type TlsSource = {
  current: () => TlsMaterial;
  /** @returns a function that ends the subscription. */
  onChange: (listener: (material: TlsMaterial) => void) => () => void;
  close: () => void;
};

export type WatchOptions = {
  logger: Logger;
  metrics: Metrics;
  /** What the certificate is for, in logs and as a metric's label: `server`, `peer`, `provider-1`. */
  certificate: string;
  /** A look at the files even when the file system reported nothing. */
  pollMs?: number;
  /** A certificate and its key are written one after the other, and read when both have come to rest. */
  debounceMs?: number;
};

const defaultPollMs = 5_000;
const defaultDebounceMs = 100;

/** Never changes; for tests and for keys that another process keeps. @throws TlsMaterialError */
export const staticTls = (texts: { cert?: string; key?: string; ca?: string }): TlsSource => {
  const material = checkTlsMaterial(texts);
  return { current: () => material, onChange: () => () => undefined, close: () => undefined };
};

/**
 * Follows the files of a certificate that is renewed while the service runs. What is read is checked before anyone
 * gets it; files that do not fit together are logged and counted, and what was in use stays in use.
 *
 * @throws TlsMaterialError when the files are not usable to begin with.
 */
export const watchTls = (
  files: TlsFiles,
  { logger, metrics, certificate, pollMs = defaultPollMs, debounceMs = defaultDebounceMs }: WatchOptions,
): TlsSource => {
  const { expires, reloads } = tlsMetricsOf(metrics);
  const listeners = new Set<(material: TlsMaterial) => void>();
  let material = readTlsMaterial(files);
  let lastProblem = "";

  const show = (): void => {
    if (material.expiresAtMs !== null) expires.set({ certificate }, material.expiresAtMs / 1_000);
  };
  const reload = (): void => {
    try {
      const next = readTlsMaterial(files);
      lastProblem = "";
      if (next.version === material.version) return;
      material = next;
      for (const listener of listeners) listener(material);
      show();
      reloads.inc({ certificate, outcome: "taken" });
      const expiresAt = next.expiresAtMs === null ? null : new Date(next.expiresAtMs).toISOString();
      logger.info({ certificate, expiresAt }, "TLS files changed and are in use");
    } catch (error) {
      const problem = error instanceof Error ? error.message : String(error);
      // A file that stays broken is said once, not at every look.
      if (problem === lastProblem) return;
      lastProblem = problem;
      reloads.inc({ certificate, outcome: "refused" });
      logger.error({ err: error, certificate }, "TLS files changed and are refused; the earlier ones stay");
    }
  };

  let debounce: NodeJS.Timeout | undefined;
  const reloadSoon = (): void => {
    clearTimeout(debounce);
    debounce = setTimeout(reload, debounceMs).unref();
  };
  const watchers = foldersOf(files).flatMap((folder): FSWatcher[] => {
    const onError = (error: unknown): void =>
      logger.warn(
        { err: error, certificate },
        "a folder cannot be watched; its files are looked at by the clock",
      );
    try {
      // The folder, because a renewed file is another file under the same name.
      return [watch(folder, { persistent: false }, reloadSoon).on("error", onError)];
    } catch (error) {
      onError(error);
      return [];
    }
  });
  const poll = setInterval(reload, pollMs).unref();
  show();

  return {
    current: () => material,
    onChange: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    close: () => {
      clearInterval(poll);
      clearTimeout(debounce);
      for (const watcher of watchers) watcher.close();
      listeners.clear();
    },
  };
};

const foldersOf = ({ certFile, keyFile, caFile }: TlsFiles): string[] => [
  ...new Set([certFile, keyFile, caFile].flatMap((file) => (file === undefined ? [] : [dirname(file)]))),
];
