import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { Agent, request } from "undici";
import type { Part } from "./processes.ts";

export type HealthTarget = { part: Part; url: string; caFile?: string };

const lastLines = (file: string, count: number): string =>
  readFileSync(file, "utf8").trimEnd().split("\n").slice(-count).join("\n");

/** True when the URL answers 200; a refused connection or a 503 is a plain "not yet". */
export const isHealthy = async (url: string, caFile?: string): Promise<boolean> => {
  const dispatcher = new Agent(caFile === undefined ? {} : { connect: { ca: readFileSync(caFile) } });
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
export const awaitHealthy = async (
  { part, url, caFile }: HealthTarget,
  timeoutMs = 60_000,
): Promise<void> => {
  const deadline = Date.now() + timeoutMs;
  while (Date.now() < deadline) {
    if (part.hasExited())
      throw new Error(
        `${part.name} ended (${await part.exited}) before it was healthy. The end of ${part.logFile}:\n${lastLines(part.logFile, 15)}`,
      );
    if (await isHealthy(url, caFile)) return;
    await sleep(100);
  }
  throw new Error(
    `${part.name} did not become healthy at ${url} within ${timeoutMs / 1000} s. The end of ${part.logFile}:\n${lastLines(part.logFile, 15)}`,
  );
};
