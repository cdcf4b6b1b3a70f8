import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { Agent, request } from "undici";
import type { PairFiles } from "./certificates.ts";
import type { Part } from "./processes.ts";

/** A PEM bundle to trust, or one with a certificate to show to those who ask for it. */
export type Trust = string | ({ caFile: string } & PairFiles);

export type HealthTarget = { part: Part; url: string; trust?: Trust };

const lastLines = (file: string, count: number): string =>
  readFileSync(file, "utf8").trimEnd().split("\n").slice(-count).join("\n");

/** Connections with what is in the files right now. */
export const openAgent = (trust?: Trust): Agent => {
  if (trust === undefined) return new Agent();
  if (typeof trust === "string") return new Agent({ connect: { ca: readFileSync(trust) } });
  const { caFile, certFile, keyFile } = trust;
  return new Agent({
    connect: { ca: readFileSync(caFile), cert: readFileSync(certFile), key: readFileSync(keyFile) },
  });
};

/** True when the URL answers 200; a refused connection or a 503 is a plain "not yet". */
export const isHealthy = async (url: string, trust?: Trust): Promise<boolean> => {
  const dispatcher = openAgent(trust);
  try {
    const { statusCode, body } = await request(url, {
      dispatcher,
      headersTimeout: 2_000,
      bodyTimeout: 2_000,
    });
    await body.dump();
    return statusCode === 200;
  } catch {
    return false;
  } finally {
    await dispatcher.close();
  }
};

/** Waits until the part answers; fails at once, with the end of its log, when its process ends first. */
export const awaitHealthy = async ({ part, url, trust }: HealthTarget, timeoutMs = 60_000): Promise<void> => {
  const deadline = Date.now() + timeoutMs;
  while (Date.now() < deadline) {
    if (part.hasExited())
      throw new Error(
        `${part.name} ended (${await part.exited}) before it was healthy. The end of ${part.logFile}:\n${lastLines(part.logFile, 15)}`,
      );
    if (await isHealthy(url, trust)) return;
    await sleep(100);
  }
  throw new Error(
    `${part.name} did not become healthy at ${url} within ${timeoutMs / 1000} s. The end of ${part.logFile}:\n${lastLines(part.logFile, 15)}`,
  );
};
