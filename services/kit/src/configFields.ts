import { z } from "zod";

const hex = (bytes: number): z.ZodType<`0x${string}`> =>
  z.templateLiteral(["0x", z.string().regex(new RegExp(`^[0-9a-f]{${bytes * 2}}$`))], {
    error: `expected 0x and ${bytes * 2} lower-case hexadecimal digits`,
  });

/** Schemas for the variables that services share; each carries the description the error shows. */
export const configFields = {
  host: z.string().default("127.0.0.1").describe("the address to listen on, such as 127.0.0.1"),
  port: (fallback: number) =>
    z.coerce.number().int().min(0).max(65_535).default(fallback).describe("a TCP port, 0 to 65535"),
  logLevel: z
    .enum(["fatal", "error", "warn", "info", "debug", "trace", "silent"])
    .default("info")
    .describe("fatal, error, warn, info, debug, trace or silent"),
  databaseUrl: z
    .url({ protocol: /^postgres(ql)?$/ })
    .describe("a PostgreSQL URL, such as postgres://user:password@127.0.0.1:5433/name"),
  redisUrl: z.url({ protocol: /^rediss?$/ }).describe("a Redis URL, such as redis://127.0.0.1:6379"),
  httpUrl: z.url({ protocol: /^https?$/ }).describe("an http or https URL"),
  rpcUrls: z
    .string()
    .transform((list) => list.split(",").map((url) => url.trim()))
    .pipe(z.array(z.url({ protocol: /^https?$/ })).min(1))
    .describe("one or more JSON-RPC URLs, separated by commas"),
  privateKey: hex(32).describe("a secp256k1 private key: 0x and 64 lower-case hexadecimal digits"),
  address: hex(20).describe("an address: 0x and 40 lower-case hexadecimal digits"),
  secret: z.string().min(16).describe("a secret of at least 16 characters"),
  filePath: z.string().describe("the path of a file"),
  flag: z
    .enum(["true", "false"])
    .default("false")
    .transform((value) => value === "true")
    .describe("true or false"),
};
