import type { Readable } from "node:stream";

/** What the gateway answered: event streams as they flow, everything else read to its end. */
export type Answer = {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  body: Buffer | Readable;
};

/** First value of a header; names are lowercase. */
export function headerOf(answer: Answer, name: string): string | undefined {
  const value = answer.headers[name];
  return Array.isArray(value) ? value[0] : value;
}
