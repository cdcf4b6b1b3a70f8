import { Errors } from "@tac/protocol";

export type JsonObject = { readonly [field: string]: unknown };

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN_ARRAY = 0x5b;
const CLOSE_ARRAY = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;

/** Deeper than anything a tool's schema needs, and far from where writing it out again would end the stack. */
const MAX_DEPTH = 200;

/** Parses a body as UTF-8 JSON object of at most 200 levels. Errors: `invalid_request`. */
export function parseJsonObject(bytes: Uint8Array): JsonObject {
  if (depthOf(bytes) > MAX_DEPTH) {
    throw Errors.fromCode("invalid_request", {
      detail: `The body is nested deeper than ${MAX_DEPTH} levels.`,
    });
  }
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch (cause) {
    throw Errors.fromCode("invalid_request", { detail: "The body is not JSON in UTF-8.", cause });
  }
  if (!isJsonObject(value)) {
    throw Errors.fromCode("invalid_request", { detail: "The body must be a JSON object." });
  }
  return value;
}

/** Levels of arrays and objects, told from the bytes alone: brackets inside strings do not count. */
function depthOf(bytes: Uint8Array): number {
  let depth = 0;
  let deepest = 0;
  let isInString = false;
  for (let at = 0; at < bytes.length; at += 1) {
    const byte = bytes[at];
    if (isInString) {
      if (byte === BACKSLASH) at += 1;
      else if (byte === QUOTE) isInString = false;
    } else if (byte === QUOTE) isInString = true;
    else if (byte === OPEN_ARRAY || byte === OPEN_OBJECT) {
      depth += 1;
      if (depth > deepest) deepest = depth;
    } else if (byte === CLOSE_ARRAY || byte === CLOSE_OBJECT) depth -= 1;
  }
  return deepest;
}

/** A number such as 1e20 takes five times its bytes once it is written out; nothing else in JSON grows. */
const EXPONENT = /[0-9][eE]/;

/** Bytes of a body in the longer of two spellings: as it came, and as it is written anew for a provider. */
export function longestBytes(bytes: Buffer, body: JsonObject): number {
  if (!EXPONENT.test(bytes.toString("latin1"))) return bytes.length;
  return Math.max(bytes.length, Buffer.byteLength(JSON.stringify(body)));
}

/** A whole number from 1 on, or null when the field is absent. Errors: `invalid_request`. */
export function positiveInteger(value: unknown, param: string): bigint | null {
  if (value === undefined || value === null) return null;
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 1) {
    throw Errors.fromCode("invalid_request", { param, detail: `${param} must be a positive integer.` });
  }
  return BigInt(value);
}

/** A count as a provider reports it; anything but a whole non-negative number counts as not reported. */
export function count(value: unknown): bigint | null {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0 ? BigInt(value) : null;
}
