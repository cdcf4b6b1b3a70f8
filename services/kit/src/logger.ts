import { type DestinationStream, type Logger, pino, stdSerializers } from "pino";

export type { Logger } from "pino";

const secretNames = new Set(
  [
    "authorization",
    "proxyAuthorization",
    "usageAuth",
    "dpop",
    "xDpopProof",
    "proof",
    "cookie",
    "cookies",
    "setCookie",
    "apiKey",
    "xApiKey",
    "privateKey",
    "signingKey",
    "secret",
    "password",
    "adminToken",
    "databaseUrl",
    "redisUrl",
    "messages",
    "input",
    "prompt",
    "content",
  ].map((name) => name.toLowerCase()),
);

const isSecret = (name: string): boolean => secretNames.has(name.replace(/[-_]/g, "").toLowerCase());

const censor = "[redacted]";
const maxDepth = 8;

/**
 * Copies a value for the log: secrets and prompts are replaced at any depth, whatever their spelling or case. Of an object
 * of a class, such as the connection that `pg` adds to its errors, only the class is named.
 */
const scrub = (value: unknown, depth = 0): unknown => {
  if (typeof value === "bigint") return value.toString();
  if (typeof value !== "object" || value === null) return value;
  if (value instanceof Error) return scrubError(value, depth);
  if (value instanceof Uint8Array) return `[${value.length} bytes]`;
  if (depth >= maxDepth) return "[deep]";
  if (Array.isArray(value)) return value.map((item) => scrub(item, depth + 1));
  if ("toJSON" in value && typeof value.toJSON === "function") return scrub(value.toJSON(), depth + 1);
  return classOf(value) ?? scrubFields(value, depth);
};

/** Null for what is no more than its fields. */
const classOf = (value: object): string | null => {
  const maker: unknown = (Object.getPrototypeOf(value) as object | null)?.constructor;
  return typeof maker === "function" && maker !== Object ? `[${maker.name || "class"}]` : null;
};

/** What PostgreSQL adds to an error and quotes values in. */
const quotingFields = new Set(["detail", "where", "internalQuery"]);

const scrubFields = (value: object, depth: number): Record<string, unknown> => {
  const isOfStore = "severity" in value;
  return Object.fromEntries(
    Object.entries(value).map(([name, item]) => {
      const isWithheld = isSecret(name) || (isOfStore && quotingFields.has(name));
      return [name, isWithheld ? censor : scrub(item, depth + 1)];
    }),
  );
};

const scrubError = (error: Error, depth: number): unknown => {
  const { raw: _raw, ...serialised } = stdSerializers.errWithCause(error);
  return scrub({ ...serialised, type: error.name, message: error.message, stack: error.stack }, depth + 1);
};

/**
 * JSON lines on stdout (or `destination`). Authorisation, proofs, cookies, keys, prompts and answers are redacted.
 */
export const createLogger = (
  { service, level = "info" }: { service: string; level?: string },
  destination?: DestinationStream,
): Logger =>
  pino(
    {
      level,
      base: { service },
      timestamp: pino.stdTimeFunctions.isoTime,
      // The formatter below has serialised the error already.
      serializers: { err: (value: unknown) => value },
      formatters: {
        level: (label) => ({ level: label }),
        log: (entry) => scrubFields(entry, 0),
      },
    },
    // Written at once: lines still in flight when the process ends would come out of order, or not at all.
    destination ?? pino.destination({ dest: 1, sync: true }),
  );
